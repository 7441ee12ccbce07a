"""Random views of an image and its mask: rescale, crop, flip and color jitter of both together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FLIP_PROBABILITY = 0.5

LUMA = (0.2989, 0.587, 0.114)
"""Shares of red, green and blue in gray (ITU-R BT.601)."""


@dataclass(frozen=True)
class View:
    """How views are drawn.

    Attributes
    ----------
    base_size
        Short side in pixels that an image is rescaled to, times a factor from `scale_range`, before cropping.
    scale_range
        Lowest and highest of these factors.
    color_jitter
        Largest change of brightness, contrast and saturation, as a fraction.
    ignore_index
        Label of padding.
    """

    base_size: int
    scale_range: tuple[float, float] = (1.0, 1.0)
    color_jitter: float = 0.0
    ignore_index: int = 255


def random_view(
    image: Tensor, mask: Tensor, crop: tuple[int, int], view: View, size_factor: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Return a random view of one image and the same view of its mask.

    The short side becomes ``base_size`` times a random factor (and times `size_factor`), then a window
    of size `crop` is taken. Only the window's own pixels are resampled, which is the same picture for a
    fraction of the work. Masks are resampled with nearest-exact: plain nearest moves labels by half a
    pixel against the image.

    Parameters
    ----------
    image, mask
        (3, H, W) uint8 and (H, W) uint8.
    crop
        Height and width of the result; where the image ends before it, the result is padded with the
        ignore label.
    """
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(7, generator=generator).tolist()
    low, high = view.scale_range
    height, width = mask.shape
    ratio = view.base_size * size_factor * (low + (high - low) * draw[0]) / min(height, width)

    window = [min(side, round(length / ratio)) for side, length in zip((height, width), crop, strict=True)]
    top, left = (
        round(draw[1 + i] * (side - span))
        for i, (side, span) in enumerate(zip((height, width), window, strict=True))
    )
    image = image[:, top : top + window[0], left : left + window[1]]
    mask = mask[top : top + window[0], left : left + window[1]]

    # Only where the whole rescaled image ends before the crop does, is the result padded.
    size = [min(length, round(side * ratio)) for side, length in zip((height, width), crop, strict=True)]
    image, mask = _rescaled(image, mask, size)
    if draw[3] < FLIP_PROBABILITY:
        image, mask = image.flip(-1), mask.flip(-1)
    if view.color_jitter:
        image = _jitter(image, [1 + view.color_jitter * (2 * d - 1) for d in draw[4:]])
    missing = (0, crop[1] - size[1], 0, crop[0] - size[0])
    if any(missing):
        image, mask = F.pad(image, missing), F.pad(mask, missing, value=view.ignore_index)
    return image, mask


def whole_view(image: Tensor, mask: Tensor, short_side: int) -> tuple[Tensor, Tensor]:
    """Return an image (3, H, W) and its mask (H, W), both uint8, rescaled as a whole to a short side in pixels."""
    height, width = mask.shape
    ratio = short_side / min(height, width)
    return _rescaled(image, mask, [round(ratio * height), round(ratio * width)])


def _rescaled(image: Tensor, mask: Tensor, size: list[int]) -> tuple[Tensor, Tensor]:
    """Rescale the image smoothly and its mask to the nearest label."""
    if list(mask.shape) == size:
        return image, mask
    image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
    return image, F.interpolate(mask[None, None], size=size, mode="nearest-exact")[0, 0]


def _jitter(image: Tensor, factors: list[float]) -> Tensor:
    """Change brightness, contrast and saturation by the three factors: torchvision's bytes, in a quarter of its time.

    Torch turns numbers into bytes one by one, so that it is done once and not after each change.
    """
    brightness, contrast, saturation = factors
    pixels = _whole(image.float().mul_(brightness))
    mean = _gray(pixels).mean()
    pixels = _whole(pixels.mul_(contrast).add_(mean.mul_(1 - contrast)))
    gray = _gray(pixels)
    pixels = _whole(pixels.mul_(saturation).add_(gray.mul_(1 - saturation)))
    return pixels.int().to(image.dtype)


def _whole(pixels: Tensor) -> Tensor:
    """Round down to what a byte holds, in place."""
    return pixels.clamp_(0, 255).floor_()


def _gray(pixels: Tensor) -> Tensor:
    """Return (H, W) of (3, H, W), rounded down."""
    red, green, blue = (share * pixels[channel] for channel, share in enumerate(LUMA))
    return _whole(red.add_(green).add_(blue))
