"""Cityscapes with BiSeNet-ResNet18."""

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

FOLDER = "cityscapes"
CROP = (512, 512)
TRAIN_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label ids of the classes 0 to 18, in that order."""

LABEL_IDS = 34
"""Those of label files are 0 to 33. Vegetation (21), sky (23) and cars (26) are in nearly all of them."""


def _files(root: Path, split: Split) -> MaskFiles:
    from greenbench.data.images import MaskFiles
    from greenbench.data.mask_ids import MaskIds
    from greenbench.data.sources import data_folder, matching_files, pair_files

    label_ids = MaskIds(
        classes=TRAIN_IDS,
        unlabeled=(*(raw for raw in range(LABEL_IDS) if raw not in TRAIN_IDS), IGNORE_INDEX),
        ignore_index=IGNORE_INDEX,
        likely=(
            "they are likely labelTrainIds, instanceIds or another set's under the name of labelIds: "
            "unpack gtFine_trainvaltest.zip again"
        ),
        expected=range(len(TRAIN_IDS), LABEL_IDS),
    )
    train_ids = MaskIds(
        classes=range(len(TRAIN_IDS)),
        unlabeled=(IGNORE_INDEX,),
        ignore_index=IGNORE_INDEX,
        likely=(
            "they are likely labelIds or another set's under the name of labelTrainIds: "
            "unpack gtFine_trainvaltest.zip again"
        ),
    )
    folder, part = data_folder(root, FOLDER), "train" if split == "train" else "val"
    masks = folder / "gtFine" / part

    def has(kind: str) -> bool:
        return bool(matching_files(masks, f"*/*_gtFine_{kind}.png"))

    made = not has("labelIds") and has("labelTrainIds")
    kind, ids = ("labelTrainIds", train_ids) if made else ("labelIds", label_ids)

    def mask_of(image: Path) -> Path:
        return (
            masks
            / image.parent.name
            / image.with_suffix(".png").name.replace("leftImg8bit", f"gtFine_{kind}")
        )

    return MaskFiles(pair_files(folder / "leftImg8bit" / part, "*/*_leftImg8bit.png", mask_of), ids)


@workload(
    title="Cityscapes",
    metric="miou",
    num_classes=len(TRAIN_IDS),
    image_size=CROP,
    ignore_index=IGNORE_INDEX,
    train_images=2975,
    validation_images=500,
    folder=FOLDER,
    how_to_get=(
        "Register at www.cityscapes-dataset.com and unpack leftImg8bit_trainvaltest.zip and "
        "gtFine_trainvaltest.zip into its folder cityscapes."
    ),
    samples=_files,
    downloads=(BACKBONE_DOWNLOAD,),
    network=bisenet,
    weights=backbone_weights,
    optimizer=sgd_sparing_vectors,
    schedule=poly,
    settings={
        "tryout": Setting(
            epochs=12,
            batch_size=8,
            learning_rate=0.05,
            evaluate_every=6,
            network={"width": 0.5},
            subset=Subset(train=320, validation=48),
            image_size=(128, 128),
        ),
        "short": Setting(epochs=20, batch_size=16, learning_rate=0.025, large_batch=32),
        "paper": Setting(epochs=1000, batch_size=16, learning_rate=0.025, evaluate_every=10, large_batch=32),
    },
    fitted_size=(512, 1024),
    full_image_evaluation=(1024, 2048),
)
def cityscapes(root: Path, device: torch.device) -> MaskData:
    """Cityscapes: 2,975 + 500 street scenes of 1024x2048, 19 classes, with BiSeNet-ResNet18.

    **Source.** Cordts et al. 2016, arXiv:1604.01685. Label files are read as published
    (``*_gtFine_labelIds.png``), their ids mapped to the 19 classes that are evaluated; where only the
    ``*_gtFine_labelTrainIds.png`` are there, which the publishers' scripts make, those give the same classes.

    **Augmentation.** Rescale by 0.5 to 2, random crop of 512x512, horizontal flip, color jitter.
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
        view=View(base_size=1024, scale_range=(0.5, 2.0), color_jitter=0.3, ignore_index=IGNORE_INDEX),
        num_classes=len(TRAIN_IDS),
        normalization=Normalization(),
        version=version,
        device=device,
    )
