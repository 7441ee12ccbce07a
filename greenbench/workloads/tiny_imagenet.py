"""Tiny-ImageNet with ResNet-50."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.errors import DataError
from greenbench.networks.factories import resnet50
from greenbench.nn.schedules import step_decay
from greenbench.spec.download import Download
from greenbench.spec.workload import Setting, Split, Subset

if TYPE_CHECKING:
    import torch

    from greenbench.data.images import LabelFiles
    from greenbench.data.labels import LabelData

FOLDER = "tiny-imagenet-200"
CLASSES = 200
SIZE = (64, 64)
IMAGES = "*.jp*g"
CURE = "unpack tiny-imagenet-200.zip again"


def _files(root: Path, split: Split) -> LabelFiles:
    from greenbench.data.images import LabelFiles
    from greenbench.data.sources import content_of, data_folder, matching_files

    folder = data_folder(root, FOLDER)
    class_folders = sorted(path for path in folder.glob("train/[!.]*") if path.is_dir())
    if len(class_folders) != CLASSES:
        raise DataError(
            f"tiny_imagenet: {folder / 'train'} holds {len(class_folders)} class folders instead of "
            f"{CLASSES}: {content_of(folder)}",
            CURE,
        )
    if split == "train":
        files = [
            (file, label)
            for label, class_folder in enumerate(class_folders)
            for inner in (class_folder, class_folder / "images")
            for file in matching_files(inner, IMAGES)
        ]
    else:
        files = _validation(folder, {path.name: label for label, path in enumerate(class_folders)})
    if not files:
        raise DataError(
            f"tiny_imagenet: {folder / ('train' if split == 'train' else 'val')} holds no images", CURE
        )
    return LabelFiles(files, SIZE, CURE)


def _validation(folder: Path, label_of: dict[str, int]) -> list[tuple[Path, int]]:
    """Return the validation images with their labels: by the list, or by folders of classes, as scripts rearrange it."""
    from greenbench.data.sources import content_of, matching_files

    annotations = folder / "val" / "val_annotations.txt"
    sorted_already = [
        (file, label)
        for name, label in label_of.items()
        for inner in (name, f"{name}/images")
        for file in matching_files(folder / "val" / inner, IMAGES)
    ]
    if sorted_already:
        return sorted_already
    try:
        lines = [line.split("\t") for line in annotations.read_text().splitlines()]
        listed = [(folder / "val" / "images" / name, label_of[wnid]) for name, wnid, *_ in lines]
    except FileNotFoundError:
        raise DataError(
            f"tiny_imagenet: {annotations} is missing, and there are no folders of classes in its place: "
            f"{content_of(annotations.parent)}",
            CURE,
        ) from None
    except (KeyError, ValueError) as error:
        raise DataError(
            f"tiny_imagenet: {annotations} has a line that does not name an image and one of the classes "
            f"({error})",
            CURE,
        ) from None
    # Parts of the data set are in circulation: their files count, not the list.
    there = {file.name.lower(): file for file in matching_files(folder / "val" / "images", IMAGES)}
    return [(there[file.name.lower()], label) for file, label in listed if file.name.lower() in there]


@workload(
    title="Tiny-ImageNet",
    metric="accuracy",
    num_classes=CLASSES,
    image_size=SIZE,
    train_images=100_000,
    validation_images=10_000,
    folder=FOLDER,
    how_to_get="Unpack tiny-imagenet-200.zip (from cs231n.stanford.edu) into the data root.",
    samples=_files,
    downloads=(
        Download(
            "https://cs231n.stanford.edu/tiny-imagenet-200.zip",
            "md5:90528d7ca1a48142e341f4ef8d21d0de",  # as many libraries that download it state it
            FOLDER,
        ),
    ),
    network=resnet50,
    schedule=partial(step_decay, warmup_fraction=1 / 200),
    settings={
        "tryout": Setting(
            epochs=10,
            batch_size=64,
            learning_rate=0.05,
            network={"width": 0.25, "blocks_per_stage": (1, 1, 1, 1), "norm_momentum": 0.3},
            floor=0.04,
            floor_source="6.4 to 6.9 % over 3 seeds; chance is 0.5 %",
            subset=Subset(train=10_000, validation=2_000),
            image_size=(16, 16),
        ),
        "short": Setting(epochs=10, batch_size=128, learning_rate=0.1, large_batch=256),
        "paper": Setting(epochs=200, batch_size=128, learning_rate=0.1, large_batch=256),
    },
    fitted_size=(32, 32),
    best_known={"accuracy": 0.650, "top5_accuracy": 0.860},
)
def tiny_imagenet(root: Path, device: torch.device) -> LabelData:
    """Tiny-ImageNet: 64x64 images in 200 classes, 500 + 50 of each, with ResNet-50.

    **Source.** Pouransari and Ghili 2014, Tiny ImageNet Visual Recognition Challenge.

    **Augmentation.** Random crop of 64 after padding by 8, horizontal flip.
    """
    from greenbench.data.augmentation import Augmentation
    from greenbench.data.labels import LabelData
    from greenbench.data.normalization import Normalization
    from greenbench.data.sources import data_folder, files_version

    train, validation = _files(root, "train"), _files(root, "validation")
    version = files_version(
        data_folder(root, FOLDER), (file for file, _ in [*train.files, *validation.files])
    )
    return LabelData(
        train,
        validation,
        augmentation=Augmentation(padding=8, flip=True, rotation_degrees=0),
        normalization=Normalization((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)),
        version=f"{len(train)}+{len(validation)} files, names and sizes {version}",
        device=device,
    )
