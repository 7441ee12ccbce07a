"""Tiny-ImageNet with ResNet-50."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.errors import UserError
from greenbench.networks.factories import resnet50
from greenbench.nn.schedules import step_decay
from greenbench.spec.workload import Setting

if TYPE_CHECKING:
    import numpy as np
    import torch

    from greenbench.data.images import ResidentImages
    from greenbench.data.labels import LabelData

FOLDER = "tiny-imagenet-200"
CLASSES = 200
CURE = "unpack tiny-imagenet-200.zip again"


def _read(files: list[Path], labels: list[int]) -> ResidentImages:
    import torch

    from greenbench.data.cache import kept
    from greenbench.data.images import ResidentImages, as_image, decode

    def decoded() -> np.ndarray:
        with ThreadPoolExecutor() as pool:
            images = list(pool.map(lambda file: as_image(decode(file, "RGB")), files))
        return torch.stack(images).numpy()

    return ResidentImages(torch.from_numpy(kept(files, b"", decoded)), torch.tensor(labels))


@workload(
    title="Tiny-ImageNet",
    metric="accuracy",
    num_classes=CLASSES,
    image_size=(64, 64),
    train_images=100_000,
    validation_images=10_000,
    folder=FOLDER,
    how_to_get="Unpack tiny-imagenet-200.zip (from cs231n.stanford.edu) into the data root.",
    network=resnet50,
    schedule=partial(step_decay, warmup_fraction=1 / 200),
    settings={
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

    folder = root / FOLDER
    class_folders = sorted(path for path in folder.glob("train/*") if path.is_dir())
    if len(class_folders) != CLASSES:
        raise UserError(
            f"tiny_imagenet: {folder / 'train'} holds {len(class_folders)} class folders instead of "
            f"{CLASSES}",
            CURE,
        )
    train = [
        (file, label)
        for label, class_folder in enumerate(class_folders)
        for file in sorted(class_folder.rglob("*.JPEG"))
    ]
    label_of = {class_folder.name: label for label, class_folder in enumerate(class_folders)}
    annotations = folder / "val" / "val_annotations.txt"
    try:
        lines = [line.split("\t") for line in annotations.read_text().splitlines()]
        validation = [(folder / "val" / "images" / name, label_of[wnid]) for name, wnid, *_ in lines]
    except FileNotFoundError as error:
        raise UserError(f"tiny_imagenet: {annotations} is missing", CURE) from error
    except (KeyError, ValueError) as error:
        raise UserError(
            f"tiny_imagenet: {annotations} has a line that does not name an image and one of the classes "
            f"({error})",
            CURE,
        ) from error
    # Parts of the data set are in circulation: their files count, not the list.
    validation = [(file, label) for file, label in validation if file.is_file()]
    for split, files in (("train", train), ("val", validation)):
        if not files:
            raise UserError(f"tiny_imagenet: {folder / split} holds no images", CURE)
    return LabelData(
        _read([file for file, _ in train], [label for _, label in train]),
        _read([file for file, _ in validation], [label for _, label in validation]),
        augmentation=Augmentation(padding=8, flip=True, rotation_degrees=0),
        normalization=Normalization((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)),
        version=f"{len(train)}+{len(validation)} files",
        device=device,
    )
