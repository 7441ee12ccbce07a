"""RandAugment's operations on whole batches: images that get the same one are treated together.

Torchvision treats images one by one, and sends numbers of most operations to the device while the host waits. Here
nothing waits: what moves pixels is made once on the host, as a map from pixels of the result to those of the source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, degrees

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional

from greenbench.data.transfer import send

BINS = 31
"""Strengths that there are, from 0."""

TRANSLATED = 150 / 331
"""Of the image's side: the authors' largest shift of images of 331 px."""


@dataclass(frozen=True)
class Operation:
    """One of RandAugment's operations.

    Attributes
    ----------
    apply
        Takes images (N, 3, H, W) uint8 and the level.
    lowest
        Level at strength 0.
    highest
        Level at the highest strength.
    of_side
        Axis of the image's size that `highest` is a share of; None where it is no length.
    signed
        Whether half of the levels are negative.
    """

    apply: Callable[[Tensor, float], Tensor]
    lowest: float = 0.0
    highest: float = 0.0
    of_side: int | None = None
    signed: bool = False

    def level(self, strength: int, size: tuple[int, int]) -> float:
        """Return the level at a strength of 0 to 30, for images of a height and width in pixels."""
        highest = self.highest if self.of_side is None else self.highest * size[self.of_side]
        return float(torch.linspace(self.lowest, highest, BINS)[strength])


def draw(count: int, number: int, strength: int, size: tuple[int, int]) -> list[list[tuple[str, float]]]:
    """Draw operations and their levels for `count` images of `size`, `number` for each, as torchvision does.

    The draws come from torch's global generator on the CPU.
    """
    names = list(OPERATIONS)
    levels = {name: operation.level(strength, size) for name, operation in OPERATIONS.items()}

    def one() -> tuple[str, float]:
        name = names[int(torch.randint(len(names), ()))]
        negative = OPERATIONS[name].signed and bool(torch.rand(()) <= 0.5)
        return name, -levels[name] if negative else levels[name]

    return [[one() for _ in range(number)] for _ in range(count)]


def apply(images: Tensor, drawn: Sequence[Sequence[tuple[str, float]]]) -> Tensor:
    """Return images (N, 3, H, W) uint8 after the operations that were drawn for each."""
    for step in zip(*drawn, strict=True):
        alike: dict[tuple[str, float], list[int]] = {}
        for place, operation in enumerate(step):
            alike.setdefault(operation, []).append(place)
        order = send(torch.tensor([place for places in alike.values() for place in places]), images.device)
        parts = torch.split(images[order], [len(places) for places in alike.values()])
        changed = [
            OPERATIONS[name].apply(part, level) for (name, level), part in zip(alike, parts, strict=True)
        ]
        images = torch.empty_like(images).index_copy_(0, order, torch.cat(changed))
    return images


def _moving(move: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor, float], Tensor]:
    """Make an operation that moves pixels, to the nearest place and with zeros outside, of one for an image."""

    @lru_cache(maxsize=64)
    def source(level: float, height: int, width: int, device: torch.device) -> Tensor:
        """Return the flat place from 1 that each pixel comes from; 0 is outside."""
        with torch.inference_mode(False):
            # In float32, in which torchvision moves bytes too: exact for up to 2**24 pixels.
            places = torch.arange(1, height * width + 1, dtype=torch.float32).view(1, height, width)
            return send(move(places, level).flatten().long(), device)

    def apply(images: Tensor, level: float) -> Tensor:
        places = source(level, *images.shape[-2:], images.device)
        return F.pad(images.flatten(2), (1, 0)).index_select(2, places).view_as(images)

    return apply


def _affine(
    image: Tensor,
    shear: Sequence[float] = (0.0, 0.0),
    translate: Sequence[int] = (0, 0),
    center: list[float] | None = None,
) -> Tensor:
    moved: Tensor = functional.affine(
        image, angle=0.0, translate=list(translate), scale=1.0, shear=list(shear), center=center
    )
    return moved


def _sharpness(images: Tensor, factor: float) -> Tensor:
    """As torchvision's `adjust_sharpness`, whose filter is sent to the device anew each time."""
    channels, height, width = images.shape[1:]
    if height <= 2 or width <= 2:
        return images
    weights = images.new_full((channels, 1, 3, 3), 1 / 13, dtype=torch.float32)
    weights[:, :, 1, 1] = 5 / 13
    sharp = images.float()
    inside = sharp[..., 1:-1, 1:-1]
    smooth = F.conv2d(sharp, weights, groups=channels).round_()
    inside.add_(smooth.sub_(inside), alpha=1 - factor)
    return sharp.clamp_(0, 255).to(images.dtype)


ORIGIN = [0.0, 0.0]
OPERATIONS = {
    "Identity": Operation(lambda images, _level: images),
    "ShearX": Operation(
        _moving(lambda image, level: _affine(image, shear=(degrees(atan(level)), 0.0), center=ORIGIN)),
        highest=0.3,
        signed=True,
    ),
    "ShearY": Operation(
        _moving(lambda image, level: _affine(image, shear=(0.0, degrees(atan(level))), center=ORIGIN)),
        highest=0.3,
        signed=True,
    ),
    "TranslateX": Operation(
        _moving(lambda image, level: _affine(image, translate=(int(level), 0))),
        highest=TRANSLATED,
        of_side=1,
        signed=True,
    ),
    "TranslateY": Operation(
        _moving(lambda image, level: _affine(image, translate=(0, int(level)))),
        highest=TRANSLATED,
        of_side=0,
        signed=True,
    ),
    "Rotate": Operation(
        _moving(lambda image, level: functional.rotate(image, angle=level)), highest=30.0, signed=True
    ),
    "Brightness": Operation(
        lambda images, level: functional.adjust_brightness(images, 1 + level), highest=0.9, signed=True
    ),
    "Color": Operation(
        lambda images, level: functional.adjust_saturation(images, 1 + level), highest=0.9, signed=True
    ),
    "Contrast": Operation(
        lambda images, level: functional.adjust_contrast(images, 1 + level), highest=0.9, signed=True
    ),
    "Sharpness": Operation(lambda images, level: _sharpness(images, 1 + level), highest=0.9, signed=True),
    "Posterize": Operation(
        lambda images, level: functional.posterize(images, bits=round(level)), lowest=8.0, highest=4.0
    ),
    "Solarize": Operation(
        lambda images, level: functional.solarize(images, threshold=255 * level), lowest=1.0
    ),
    "AutoContrast": Operation(lambda images, _level: functional.autocontrast(images)),
    "Equalize": Operation(lambda images, _level: functional.equalize(images)),
}
"""All fourteen, in the order in which they are drawn from."""
