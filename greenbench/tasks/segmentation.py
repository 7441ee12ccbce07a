"""Semantic segmentation with BiSeNet-ResNet18: the baseline recipe of section 3.1. Imports no torch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.datasets import IGNORE_INDEX, Dataset
from greenbench.errors import UserError
from greenbench.protocol import Protocol
from greenbench.recipe import Recipe
from greenbench.nn.schedules import poly
from greenbench.tasks.shared import constant_size, cross_entropy, plain_batch

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

BACKBONE_WEIGHTS = "resnet18-f37072fd.pth"
"""torchvision's ``ResNet18_Weights.IMAGENET1K_V1``, as its download is named."""

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


@dataclass(frozen=True)
class Setting:
    """What differs between the data sets.

    ``base_size`` is the short side that an image is rescaled to, times a factor from ``scale_range``,
    before cropping.
    """

    batch_size: int
    learning_rate: float
    base_size: int
    scale_range: tuple[float, float]
    color_jitter: float


PAPER_SCALES = (0.5, 2.0)
SMOKE_SETTING = Setting(
    batch_size=16, learning_rate=0.1, base_size=64, scale_range=(1.0, 1.0), color_jitter=0.0
)
SETTINGS = {
    "cityscapes": Setting(16, 0.025, base_size=1024, scale_range=PAPER_SCALES, color_jitter=0.3),
    "coco_stuff": Setting(12, 0.01, base_size=640, scale_range=PAPER_SCALES, color_jitter=0.0),
    "scenes4": SMOKE_SETTING,
    "scenes6": SMOKE_SETTING,
}


def backbone_weights(protocol: Protocol, data_root: Path | None) -> Path | None:
    """Return torchvision's ImageNet weights of ResNet-18, or None where they are not in the data root.

    The study starts from such weights. They fit the network at its full width alone.
    """
    if data_root is None or protocol.width != 1:
        return None
    path = data_root / BACKBONE_WEIGHTS
    return path if path.is_file() else None


def baseline(dataset: Dataset, protocol: Protocol, data_root: Path | None = None) -> Recipe:
    """Return the baseline recipe: SGD with momentum, poly decay, pixel cross-entropy."""
    setting = SETTINGS[dataset.name]
    return Recipe(
        task="segmentation",
        classes=dataset.classes,
        image_size=dataset.image_size,
        ignore_index=IGNORE_INDEX,
        epochs=protocol.epochs[dataset.name],
        batch_size=setting.batch_size,
        network=partial(_network, dataset.classes, protocol, backbone_weights(protocol, data_root)),
        optimizer=partial(_optimizer, learning_rate=setting.learning_rate),
        schedule=poly,
        loss=partial(cross_entropy, ignore_index=IGNORE_INDEX),
        batch_transform=plain_batch,
        size_factor=constant_size,
    )


def _network(classes: int, protocol: Protocol, weights: Path | None) -> nn.Module:
    from greenbench.networks.bisenet import BiSeNet
    from greenbench.tasks.shared import set_norm_momentum

    network = BiSeNet(classes, protocol.width)
    if weights is not None:
        network.backbone.load_state_dict(_read_weights(weights))
    return set_norm_momentum(network, protocol.norm_momentum)


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights whose name ends in the start of its SHA-256, as torchvision's do."""
    import torch

    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(path.stem.rpartition("-")[2]):
        raise UserError(f"{path} has SHA-256 {found}, which its name does not begin; download it again")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _optimizer(network: nn.Module, learning_rate: float) -> Optimizer:
    """Weight decay on weights alone: the paper is silent; BiSeNet's public code spares norms and biases."""
    from torch.optim import SGD

    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return SGD(groups, lr=learning_rate, momentum=MOMENTUM, fused=True)
