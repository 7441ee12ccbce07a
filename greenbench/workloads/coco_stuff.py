"""COCO-Stuff with BiSeNet-ResNet18."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.networks.factories import BACKBONE_DOWNLOAD, backbone_weights, bisenet
from greenbench.nn.baselines import sgd_sparing_vectors
from greenbench.nn.schedules import poly
from greenbench.spec.workload import Setting, Split, Subset

if TYPE_CHECKING:
    import torch

    from greenbench.data.images import MaskFiles
    from greenbench.data.masks import MaskData

IGNORE_INDEX = 255

FOLDER = "coco_stuff164k"
CROP = (640, 640)
UNUSED_IDS = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
USED_IDS = tuple(raw for raw in range(182) if raw not in UNUSED_IDS)
CLASSES = len(USED_IDS)


def _files(root: Path, split: Split) -> MaskFiles:
    from greenbench.data.images import MaskFiles
    from greenbench.data.mask_ids import MaskIds
    from greenbench.data.sources import data_folder, pair_files

    ids = MaskIds(
        classes=USED_IDS,
        unlabeled=(IGNORE_INDEX,),
        ignore_index=IGNORE_INDEX,
        likely=(
            "they are likely counted from 1 instead of 0, or numbered 0 to 170 already: "
            "unpack stuffthingmaps_trainval2017.zip again"
        ),
    )
    folder, part = data_folder(root, FOLDER), "train2017" if split == "train" else "val2017"
    masks = folder / "annotations" / part
    pairs = pair_files(
        folder / "images" / part, "*.jpg", lambda image: masks / image.with_suffix(".png").name
    )
    return MaskFiles(pairs, ids)


@workload(
    title="COCO-Stuff",
    metric="miou",
    num_classes=CLASSES,
    image_size=CROP,
    ignore_index=IGNORE_INDEX,
    train_images=118_287,
    validation_images=5_000,
    folder=FOLDER,
    how_to_get=(
        "Unpack train2017.zip and val2017.zip into its folder coco_stuff164k/images and "
        "stuffthingmaps_trainval2017.zip into coco_stuff164k/annotations (github.com/nightrome/cocostuff)."
    ),
    samples=_files,
    downloads=(BACKBONE_DOWNLOAD,),
    network=bisenet,
    weights=backbone_weights,
    optimizer=sgd_sparing_vectors,
    schedule=poly,
    settings={
        "tryout": Setting(
            epochs=4,
            batch_size=8,
            learning_rate=0.05,
            evaluate_every=2,
            network={"width": 0.25, "norm_momentum": 0.3},
            subset=Subset(train=640, validation=96),
            image_size=(128, 128),
        ),
        "short": Setting(epochs=4, batch_size=12, learning_rate=0.01, large_batch=32),
        "paper": Setting(epochs=60, batch_size=12, learning_rate=0.01, evaluate_every=5, large_batch=32),
    },
    fitted_size=(640, 1144),
    full_image_evaluation=(480, 640),
)
def coco_stuff(root: Path, device: torch.device) -> MaskData:
    """COCO-Stuff 164k: 118,287 + 5,000 photographs, 171 classes, with BiSeNet-ResNet18.

    **Source.** Caesar et al. 2018, arXiv:1612.03716. The stuff-thing maps store raw ids 0 to 181, of which 171
    are used and 255 is unlabeled. Used ids are numbered in their order.

    **Augmentation.** Rescale by 0.5 to 2 of a short side of 640, random crop of 640x640, horizontal flip.
    """
    from greenbench.data.masks import MaskData
    from greenbench.data.normalization import Normalization
    from greenbench.data.sources import data_folder, version_of_pairs
    from greenbench.data.views import View

    train, validation = _files(root, "train"), _files(root, "validation")
    version = version_of_pairs(data_folder(root, FOLDER), train.pairs, validation.pairs)
    return MaskData(
        train,
        validation,
        crop=CROP,
        view=View(base_size=640, scale_range=(0.5, 2.0), ignore_index=IGNORE_INDEX),
        num_classes=CLASSES,
        normalization=Normalization(),
        version=version,
        device=device,
    )
