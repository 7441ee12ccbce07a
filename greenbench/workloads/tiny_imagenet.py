"""Tiny-ImageNet (Pouransari and Ghili 2014): 64x64 images in 200 classes, 500 + 50 of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.datasets import Dataset, Splits
from greenbench.errors import UserError

if TYPE_CHECKING:
    from greenbench.data.images import ResidentImages

FOLDER = "tiny-imagenet-200"
CLASSES = 200
CURE = "unpack tiny-imagenet-200.zip again"


def _read(files: list[Path], labels: list[int]) -> ResidentImages:
    import torch

    from greenbench.data.images import ResidentImages, as_image, decode

    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda file: as_image(decode(file, "RGB")), files))
    return ResidentImages(torch.stack(images), torch.tensor(labels))


def _load(root: Path) -> Splits:
    folder = root / FOLDER
    class_folders = sorted(path for path in folder.glob("train/*") if path.is_dir())
    if len(class_folders) != CLASSES:
        raise UserError(
            f"tiny_imagenet: {folder / 'train'} holds {len(class_folders)} class folders instead of "
            f"{CLASSES}; {CURE}"
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
        heldout = [(folder / "val" / "images" / name, label_of[wnid]) for name, wnid, *_ in lines]
    except FileNotFoundError as error:
        raise UserError(f"tiny_imagenet: {annotations} is missing; {CURE}") from error
    except (KeyError, ValueError) as error:
        raise UserError(
            f"tiny_imagenet: {annotations} has a line that does not name an image and one of the classes "
            f"({error}); {CURE}"
        ) from error
    # Parts of the data set are in circulation: their files count, not the list.
    heldout = [(file, label) for file, label in heldout if file.is_file()]
    for split, files in (("train", train), ("val", heldout)):
        if not files:
            raise UserError(f"tiny_imagenet: {folder / split} holds no images; {CURE}")
    return Splits(
        _read([file for file, _ in train], [label for _, label in train]),
        _read([file for file, _ in heldout], [label for _, label in heldout]),
        f"{len(train)}+{len(heldout)} files",
    )


DATASETS = (
    Dataset(
        name="tiny_imagenet",
        title="Tiny-ImageNet",
        task="classification",
        classes=CLASSES,
        image_size=(64, 64),
        load=_load,
        folder=FOLDER,
        how_to_get="Unpack tiny-imagenet-200.zip (from cs231n.stanford.edu) into the data root.",
        mean=(0.4802, 0.4481, 0.3975),
        std=(0.2770, 0.2691, 0.2821),
    ),
)
