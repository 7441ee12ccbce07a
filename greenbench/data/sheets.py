"""A contact sheet: some samples of a data set in one picture, with what they are labeled as."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from greenbench.data.samples import Samples
from greenbench.spec.workload import Split

MARGIN, LINE, FONT_SIZE = 8, 18, 12
SHOWN_LABELS = 6
"""Of a mask, the most frequent first."""

LOOKED_AT = 20
"""Samples of a split of which one must be an image, or there is no sheet."""

DARKNESS = 0.25
"""What is left of the light of pixels that do not count."""

PAPER, INK, DAMAGE = (255, 255, 255), (30, 30, 30), (190, 190, 190)

SHORT: Mapping[Split, str] = {"train": "train", "validation": "val"}

Color = tuple[int, int, int]
Sample = tuple[Image.Image, Any]


@dataclass(frozen=True)
class _Layout:
    """How many samples of each split are shown, how many in a row, and how large (pixels)."""

    shown: Mapping[Split, int]
    columns: int
    tile: tuple[int, int]
    draw: Callable[[Image.Image, tuple[int, int], Sample, int | None], None]


def contact_sheet(
    splits: Mapping[Split, Samples], heading: str, ignore_index: int | None = None
) -> Image.Image | None:
    """Draw samples that are evenly spaced over each split; None where there are no images with labels or masks.

    Labels stand below. Masks lie over a second copy of their image, in which pixels that do not count are dark. A gray
    field stands for what cannot be used.
    """
    some = (
        _sample(samples, index)
        for samples in splits.values()
        for index in range(min(LOOKED_AT, len(samples)))
    )
    masks = next((np.ndim(sample[1]) == 2 for sample in some if sample), None)
    if masks is None:
        return None
    layout = MASKS if masks else LABELS
    chosen = [
        (split, number * len(samples) // count)
        for split, samples in splits.items()
        for count in [min(layout.shown[split], len(samples))]
        for number in range(count)
    ]
    width, height = layout.tile[0] + MARGIN, layout.tile[1] + LINE + MARGIN
    rows = -(-len(chosen) // layout.columns)
    sheet = Image.new("RGB", (layout.columns * width + MARGIN, rows * height + LINE + 2 * MARGIN), PAPER)
    _write(sheet, (MARGIN, MARGIN), heading)
    for place, (split, index) in enumerate(chosen):
        row, column = divmod(place, layout.columns)
        corner = MARGIN + column * width, LINE + 2 * MARGIN + row * height
        sample = _sample(splits[split], index)
        label = "" if sample is None or masks else f": {sample[1]}"
        _write(sheet, (corner[0], corner[1] + layout.tile[1]), f"{SHORT[split]} {index}{label}")
        if sample is None:
            sheet.paste(DAMAGE, (*corner, corner[0] + layout.tile[0], corner[1] + layout.tile[1]))
        else:
            layout.draw(sheet, corner, sample, ignore_index)
    return sheet


def _sample(samples: Samples, index: int) -> Sample | None:
    """Return an image with its target; None where it cannot be used, or is none."""
    try:
        image, target = getattr(samples, "decode", samples.__getitem__)(index)
        pixels, target = np.asarray(image), np.asarray(target)
    except Exception:  # what cannot be decoded is named elsewhere
        return None
    if (
        pixels.ndim != 3
        or len(pixels) not in (1, 3)
        or target.dtype.kind not in "iu"
        or target.ndim not in (0, 2)
    ):
        return None
    if pixels.dtype != np.uint8:  # numbers of any range
        low, high = float(pixels.min()), float(pixels.max())
        pixels = ((pixels - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0).copy()), target


def _draw_label(
    sheet: Image.Image, corner: tuple[int, int], sample: Sample, _ignore_index: int | None
) -> None:
    sheet.paste(_fitted(sample[0], LABELS.tile, Image.Resampling.BICUBIC), corner)


def _draw_mask(sheet: Image.Image, corner: tuple[int, int], sample: Sample, ignore_index: int | None) -> None:
    image, labels = sample
    half = (MASKS.tile[0] // 2, MASKS.tile[1])
    shown = _fitted(image, half, Image.Resampling.BICUBIC)
    mask = _fitted(Image.fromarray(labels.astype(np.int32)), half, Image.Resampling.NEAREST)
    ids = np.array(mask)
    pixels = np.array(shown, np.float64)
    seen, counts = np.unique(labels[labels != ignore_index], return_counts=True)
    for label in seen:
        pixels[ids == label] = 0.4 * pixels[ids == label] + 0.6 * np.array(_color(int(label)))
    pixels[ids == ignore_index] *= DARKNESS
    sheet.paste(shown, corner)
    sheet.paste(Image.fromarray(pixels.astype(np.uint8)), (corner[0] + half[0], corner[1]))
    x, y = corner[0] + half[0], corner[1] + MASKS.tile[1]
    for label in seen[np.argsort(-counts)][:SHOWN_LABELS]:
        sheet.paste(_color(int(label)), (x, y + 4, x + 10, y + 14))
        _write(sheet, (x + 12, y), str(label))
        x += half[0] // SHOWN_LABELS


def _fitted(image: Image.Image, size: tuple[int, int], resampling: Image.Resampling) -> Image.Image:
    """Return an image that fills a size as far as its shape lets it."""
    factor = min(size[0] / image.width, size[1] / image.height)
    return image.resize(
        (max(1, round(image.width * factor)), max(1, round(image.height * factor))), resampling
    )


def _color(label: int) -> Color:
    """Return a color that is unlike those of the labels nearby: each takes a step of the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(
        label * 0.618 % 1, 0.9 - 0.3 * (label % 2), 1 - 0.35 * (label % 3 == 2)
    )
    return round(255 * red), round(255 * green), round(255 * blue)


def _write(sheet: Image.Image, place: tuple[int, int], text: str) -> None:
    ImageDraw.Draw(sheet).text(place, text, INK, ImageFont.load_default(FONT_SIZE))


LABELS = _Layout({"train": 32, "validation": 8}, 8, (112, 112), _draw_label)
MASKS = _Layout({"train": 9, "validation": 3}, 3, (480, 180), _draw_mask)
