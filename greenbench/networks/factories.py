"""The networks as workloads ask for them: by setting and data root. Imports torch when called."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.errors import UserError
from greenbench.spec.download import Download
from greenbench.spec.workload import Setting

if TYPE_CHECKING:
    from torch import Tensor, nn

BACKBONE_DOWNLOAD = Download(
    "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "sha256:f37072fd",  # as torchvision checks it: the name ends in how the digest begins
)
"""torchvision's ``ResNet18_Weights.IMAGENET1K_V1``."""


def resnet50(num_classes: int, setting: Setting, _root: Path | None) -> nn.Module:
    """Build the ResNet-50 of a setting."""
    from greenbench.networks import resnet

    return resnet.resnet50(num_classes, **setting.network)


def resnet9(num_classes: int, setting: Setting, _root: Path | None) -> nn.Module:
    """Build the ResNet-9 of a setting."""
    from greenbench.networks.resnet9 import ResNet9

    return ResNet9(num_classes, **setting.network)


def bisenet(num_classes: int, setting: Setting, root: Path | None) -> nn.Module:
    """Build the BiSeNet of a setting, its backbone with ImageNet weights where they are in the data root."""
    from greenbench.networks.bisenet import BiSeNet

    network = BiSeNet(num_classes, **setting.network)
    if weights := backbone_weights(setting, root):
        network.backbone.load_state_dict(read_weights(weights))
    return network


def backbone_weights(setting: Setting, root: Path | None) -> Path | None:
    """Return the file of ImageNet weights, or None where it is not in the data root.

    The study starts from such weights. They fit the network at its full width and depth alone.
    """
    if root is None or setting.network.get("width", 1) != 1 or "blocks_per_stage" in setting.network:
        return None
    path = BACKBONE_DOWNLOAD.place(root)
    return path if path.is_file() else None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights whose name ends in the start of its SHA-256, as torchvision's do."""
    import torch

    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(path.stem.rpartition("-")[2]):
        raise UserError(f"{path} has SHA-256 {found}, which its name does not begin", "download it again")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
