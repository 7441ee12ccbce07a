"""ImageNet weights of the segmentation backbone, read from the user's folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

BACKBONE_WEIGHTS = "resnet18-f37072fd.pth"
"""torchvision's ``ResNet18_Weights.IMAGENET1K_V1``, as its download is named."""


def backbone_weights(root: Path | None, width: float) -> Path | None:
    """Return the file of ImageNet weights, or None where it is not in the data root.

    The study starts from such weights. They fit the network at its full width alone.
    """
    if root is None or width != 1:
        return None
    path = root / BACKBONE_WEIGHTS
    return path if path.is_file() else None


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights whose name ends in the start of its SHA-256, as torchvision's do."""
    import torch

    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(path.stem.rpartition("-")[2]):
        raise UserError(f"{path} has SHA-256 {found}, which its name does not begin", "download it again")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
