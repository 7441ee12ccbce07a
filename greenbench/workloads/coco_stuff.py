"""COCO-Stuff 164k (Caesar et al. 2018, arXiv:1612.03716): 118,287 + 5,000 photographs, 171 classes.

The stuff-thing maps store raw ids 0 to 181, of which 171 are used and 255 is unlabeled; used ids are
numbered in their order.
"""

from __future__ import annotations

from pathlib import Path

from greenbench.datasets import IGNORE_INDEX, Dataset, Splits

FOLDER = "coco_stuff164k"
UNUSED_IDS = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
CLASSES = 182 - len(UNUSED_IDS)


def _load(root: Path) -> Splits:
    import numpy as np

    from greenbench.data.images import SegmentationFiles, pair_files

    class_of_id = np.full(256, IGNORE_INDEX, np.uint8)
    used = [raw for raw in range(182) if raw not in UNUSED_IDS]
    class_of_id[used] = np.arange(CLASSES)

    def read(split: str) -> SegmentationFiles:
        masks = root / FOLDER / "annotations" / split
        pairs = pair_files(
            root / FOLDER / "images" / split, "*.jpg", lambda image: masks / image.with_suffix(".png").name
        )
        return SegmentationFiles(pairs, class_of_id)

    train, heldout = read("train2017"), read("val2017")
    return Splits(train, heldout, f"{len(train)}+{len(heldout)} files")


DATASETS = (
    Dataset(
        name="coco_stuff",
        title="COCO-Stuff",
        task="segmentation",
        classes=CLASSES,
        image_size=(640, 640),
        load=_load,
        folder=FOLDER,
        how_to_get=(
            "Unpack train2017.zip and val2017.zip into its folder coco_stuff164k/images and "
            "stuffthingmaps_trainval2017.zip into coco_stuff164k/annotations "
            "(github.com/nightrome/cocostuff)."
        ),
    ),
)
