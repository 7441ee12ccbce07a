"""Tiny-ImageNet (Pouransari and Ghili 2014): 64x64 images in 200 classes, 500 + 50 of each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.datasets import Dataset, Splits
from greenbench.errors import UserError

if TYPE_CHECKING:
    from greenbench.images import ResidentImages

FOLDER = "tiny-imagenet-200"


def _read(files: list[Path], labels: list[int]) -> ResidentImages:
    import torch

    from greenbench.images import ResidentImages, as_image, decode

    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda file: as_image(decode(file, "RGB")), files))
    return ResidentImages(torch.stack(images), torch.tensor(labels))


def _load(root: Path) -> Splits:
    folder = root / FOLDER
    classes = sorted(path.name for path in (folder / "train").iterdir() if path.is_dir())
    if len(classes) != 200:
        raise UserError(
            f"tiny_imagenet: {folder / 'train'} holds {len(classes)} class folders instead of 200"
        )
    train = [
        (file, i)
        for i, name in enumerate(classes)
        for file in sorted((folder / "train" / name).rglob("*.JPEG"))
    ]
    annotations = (folder / "val" / "val_annotations.txt").read_text().splitlines()
    heldout = [
        (folder / "val" / "images" / name, classes.index(wnid))
        for name, wnid, *_ in (line.split("\t") for line in annotations)
    ]
    # Parts of the data set are in circulation: their files count, not the list.
    heldout = [(file, label) for file, label in heldout if file.is_file()]
    for split, files in (("train", train), ("val", heldout)):
        if not files:
            raise UserError(
                f"tiny_imagenet: {folder / split} holds no images; unpack tiny-imagenet-200.zip again"
            )
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
        classes=200,
        image_size=(64, 64),
        load=_load,
        folder=FOLDER,
        how_to_get="Unpack tiny-imagenet-200.zip (from cs231n.stanford.edu) into the data root.",
        mean=(0.4802, 0.4481, 0.3975),
        std=(0.2770, 0.2691, 0.2821),
    ),
)
