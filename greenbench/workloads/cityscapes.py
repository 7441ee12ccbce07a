"""Cityscapes (Cordts et al. 2016, arXiv:1604.01685): 2,975 + 500 street scenes of 1024x2048, 19 classes.

Reads the label files as published (``*_gtFine_labelIds.png``) and maps their ids to the 19 classes that
are evaluated.
"""

from __future__ import annotations

from pathlib import Path

from greenbench.datasets import IGNORE_INDEX, Dataset, Splits

FOLDER = "cityscapes"
TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label ids of the classes 0 to 18, in that order."""


def _load(root: Path) -> Splits:
    import numpy as np

    from greenbench.data.images import SegmentationFiles, pair_files

    class_of_id = np.full(256, IGNORE_INDEX, np.uint8)
    class_of_id[list(TRAIN_IDS)] = np.arange(len(TRAIN_IDS))

    def read(split: str) -> SegmentationFiles:
        masks = root / FOLDER / "gtFine" / split

        def mask_of(image: Path) -> Path:
            return masks / image.parent.name / image.name.replace("leftImg8bit", "gtFine_labelIds")

        pairs = pair_files(root / FOLDER / "leftImg8bit" / split, "*/*_leftImg8bit.png", mask_of)
        return SegmentationFiles(pairs, class_of_id)

    train, heldout = read("train"), read("val")
    return Splits(train, heldout, f"{len(train)}+{len(heldout)} files")


DATASETS = (
    Dataset(
        name="cityscapes",
        title="Cityscapes",
        task="segmentation",
        classes=len(TRAIN_IDS),
        image_size=(512, 512),
        load=_load,
        folder=FOLDER,
        how_to_get=(
            "Register at www.cityscapes-dataset.com and unpack leftImg8bit_trainvaltest.zip and "
            "gtFine_trainvaltest.zip into its folder cityscapes."
        ),
    ),
)
