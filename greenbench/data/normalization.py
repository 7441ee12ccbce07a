"""Pixels to the numbers that a network takes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Channels = tuple[float, ...]


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation by channel, of pixel values scaled to 0..1; ImageNet's by default."""

    mean: Channels = (0.485, 0.456, 0.406)
    std: Channels = (0.229, 0.224, 0.225)

    def on(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Return what maps images (N, C, H, W) uint8 on `device` to float32."""
        scale = 1 / (255 * torch.tensor(self.std, device=device).view(1, -1, 1, 1))
        offset = -torch.tensor(self.mean, device=device).view(1, -1, 1, 1) * 255 * scale
        return lambda images: torch.addcmul(offset, images.float(), scale)
