"""Random crop, flip and rotation, and lower resolution, of a whole batch of images at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from greenbench.data.transfer import send
from greenbench.spec.recipe import Size

WORD_BYTES = 4
"""Of float32 and int32, in which bytes are moved together."""


@contextmanager
def torchvisions_draws(generator: torch.Generator) -> Iterator[None]:
    """Let torchvision draw what follows from `generator`.

    It draws from torch's own generator on the CPU, on which a run's other draws depend: that is as it was afterwards.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        yield


@dataclass(frozen=True)
class Augmentation:
    """Random crop after zero padding, horizontal flip, and rotation.

    Attributes
    ----------
    padding
        Pixels of zeros on each side before cropping back to the image's size.
    flip
        Whether half of the images are mirrored.
    rotation_degrees
        Largest angle in either direction.
    """

    padding: int = 0
    flip: bool = False
    rotation_degrees: float = 0.0


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Augment a batch of images (N, C, H, W) at once.

    Crop, flip and rotation only move pixels. Together they are one affine map from the places of the result to those
    of the source, which is looked up at the nearest pixel, with zeros outside.
    """
    batch, _, height, width = images.shape
    padding = augmentation.padding
    shift = torch.randint(0, 2 * padding + 1, (2, batch, 1, 1), generator=generator) - padding
    mirrored = torch.rand((batch, 1, 1), generator=generator) < (0.5 if augmentation.flip else 0.0)
    limit = math.radians(augmentation.rotation_degrees)
    angle = (torch.rand((batch, 1, 1), generator=generator) * 2 - 1) * limit

    # Places are complex numbers, column + i row, from -1 at one side of the image to 1 at the other: a processor adds
    # such pairs at its full rate. Columns and rows stay apart until they have to meet: a line costs next to nothing.
    sign, sine, cosine = 1 - 2.0 * mirrored, angle.sin(), angle.cos()
    along = torch.complex(cosine * sign, sine * (width / height)) * _line(width)
    across = torch.complex(sine * sign * (-height / width), cosine) * _line(height)[:, None]
    right, down = shift[1] * (2 / width), shift[0] * (2 / height)
    place = send(along + torch.complex(right, down), images.device) + send(across, images.device)
    if not (augmentation.rotation_degrees and padding):
        return _at(images, place)
    # What the crop cut off is not turned back in.
    columns, rows = (
        (line - moved).abs() < 1 for line, moved in ((_line(width), right), (_line(height)[:, None], down))
    )
    return _at(images, place, (send(columns, images.device), send(rows, images.device)))


@lru_cache
def _line(side: int) -> Tensor:
    """Return the places of the pixels along a side."""
    with torch.inference_mode(False):
        return torch.arange(1.0 - side, side, 2) / side


def _at(images: Tensor, place: Tensor, there: Sequence[Tensor] = ()) -> Tensor:
    """Return images (N, C, H, W) at complex places (N, H, W), with zeros outside and wherever one of the masks says so.

    Masks are False there; those of lines, (N, H, 1) and (N, 1, W), cost less than one of all pixels.
    """
    grid = torch.view_as_real(place)

    def sampled(values: Tensor) -> Tensor:
        return F.grid_sample(values, grid, mode="nearest", padding_mode="zeros", align_corners=False)

    if images.dtype != torch.uint8 or images.shape[1] > WORD_BYTES:
        values = images.float()
        for mask in there:
            values = values.masked_fill(~mask[:, None], 0)
        return sampled(values).to(images.dtype)
    # All bytes of a pixel are moved at once. What they mean as a float32 does not matter: it is only copied.
    first, *others = images.unbind(1)
    words = first.int()
    for byte, channel in enumerate(others, 1):
        words.add_(channel.int(), alpha=1 << 8 * byte)
    for mask in there:
        words.mul_(mask)
    words = sampled(words[:, None].view(torch.float32)).view(torch.int32)[:, 0]
    moved = torch.empty_like(images)
    first, *others = moved.unbind(1)
    first.copy_(words)
    for channel in others:
        channel.copy_(words.bitwise_right_shift_(8))
    return moved


def resize(images: Tensor, size: Size) -> Tensor:
    """Return images (N, C, H, W) at another resolution, smoothed so that nothing is aliased."""
    if images.shape[-2:] == size:
        return images
    # torch resizes bytes on a CPU only.
    resized = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
    return resized if images.is_floating_point() else resized.round_().clamp_(0, 255).to(images.dtype)
