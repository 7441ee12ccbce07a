"""Random crop, flip and rotation, and lower resolution, of a whole batch of images at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from greenbench.data.transfer import send
from greenbench.spec.recipe import Size


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
    """Augment a batch of images (N, 3, H, W) uint8 at once.

    Crop, flip and rotation only move pixels. Together they are one map from the pixels of the result to those
    of the source (nearest neighbor, zeros outside), applied as one gather.
    """
    batch, channels, height, width = images.shape
    padding = augmentation.padding
    shift = torch.randint(0, 2 * padding + 1, (2, batch, 1, 1), generator=generator)
    mirrored = torch.rand((batch, 1, 1), generator=generator) < (0.5 if augmentation.flip else 0.0)
    limit = math.radians(augmentation.rotation_degrees)
    angle = (torch.rand((batch, 1, 1), generator=generator) * 2 - 1) * limit
    # Into zeros instead of past the border: every crop then lies within.
    source = F.pad(images, [padding] * 4) if padding else images
    stride = width + 2 * padding
    drawn = torch.stack((shift[0].mul_(stride).add_(shift[1]).to(angle.dtype), 1 - 2.0 * mirrored, angle))
    start, sign, angle = send(drawn, images.device)

    # Walk from the result back to the source, in coordinates around the center: undo the rotation, then the
    # flip, then the crop. Columns and rows stay apart until they have to meet: a line costs next to nothing.
    row = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
    column = torch.arange(width, device=images.device)[None, :] - (width - 1) / 2
    inside = None
    if augmentation.rotation_degrees:
        sine, cosine = angle.sin(), angle.cos()
        row, column = column * sine + row * cosine, column * (cosine * sign) - row * (sine * sign)
        inside = (row.abs() < height / 2) & (column.abs() < width / 2)
    else:
        row, column = row.expand(batch, -1, -1), column * sign
    row, column = (row + height / 2).floor_(), (column + width / 2).floor_()
    place = (row.mul_(stride) + column.add_(start)).long()
    if inside is not None:
        place.clamp_(0, stride * (height + 2 * padding) - 1)
    moved = source.flatten(2).gather(2, place.view(batch, 1, -1).expand(-1, channels, -1)).view_as(images)
    return moved if inside is None else moved.mul_(inside[:, None])


def resize(images: Tensor, size: Size) -> Tensor:
    """Return images (N, C, H, W) at another resolution, smoothed so that nothing is aliased."""
    if images.shape[-2:] == size:
        return images
    # torch resizes bytes on a CPU only.
    resized = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
    return resized if images.is_floating_point() else resized.round_().clamp_(0, 255).to(images.dtype)
