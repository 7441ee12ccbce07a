"""Scenes-4 with a narrow BiSeNet."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.networks.factories import bisenet
from greenbench.nn.baselines import sgd_sparing_vectors
from greenbench.nn.schedules import poly
from greenbench.spec.workload import Setting

if TYPE_CHECKING:
    import numpy as np
    import torch

    from greenbench.data.masks import MaskData

IGNORE_INDEX = 255
SIDE = 48
TRAIN_SCENES = 180
VALIDATION_SCENES = 192
DIGITS_PER_SCENE = (3, 4)
ENLARGEMENT = (3.0, 4.5)
"""The 8 px scans become 24 to 36 px."""

COLORS = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
"""Of the digit classes 1, 2, ...: corners of the RGB cube, which planes separate, so that few steps suffice."""

COLOR_SPREAD = 0.25
"""By how much a digit's color strays from its class's in each channel, at most."""

INSIDE, OUTSIDE = 0.5, 0.2
"""Stroke coverage from which a pixel is the digit's, and below which it is the background's."""

DIGIT_CLASSES = (0, 1, 4)
"""Digits that serve as the classes 1, 2, ...; shapes that stay apart at this size."""

CLASSES = len(DIGIT_CLASSES) + 1


def _background(random: np.random.RandomState) -> np.ndarray:
    """Return a (48, 48) texture in 0..1: a coarse random surface and oblique stripes."""
    import numpy as np

    coarse = random.uniform(0.0, 1.0, (5, 5))
    position = np.linspace(0, 3.999, SIDE)
    low, part = position.astype(int), position % 1
    rows = coarse[low] * (1 - part)[:, None] + coarse[low + 1] * part[:, None]
    surface = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    angle, period, phase = random.uniform(0, np.pi), random.uniform(6, 16), random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE]
    stripes = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + phase)
    grain = random.uniform(-1, 1, (SIDE, SIDE))
    texture: np.ndarray = 0.35 * surface + 0.05 * stripes + 0.05 * grain + 0.05
    return texture


def _enlarge(scan: np.ndarray, side: int) -> np.ndarray:
    """Interpolate an (8, 8) scan bilinearly to (side, side), corners aligned."""
    import numpy as np

    position = np.linspace(0, scan.shape[0] - 1 - 1e-9, side)
    low, part = position.astype(int), position % 1
    rows = scan[low] * (1 - part)[:, None] + scan[low + 1] * part[:, None]
    enlarged: np.ndarray = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    return enlarged


def _thicken(coverage: np.ndarray) -> np.ndarray:
    """Let the strokes of scans (n, 8, 8) grow by one scan pixel, at 0.8 of their coverage.

    BiSeNet answers at an eighth of the resolution; bare strokes would be finer than its grid.
    """
    import numpy as np

    padded = np.pad(coverage, ((0, 0), (1, 1), (1, 1)))
    shifted = [padded[:, 1 + dy : 9 + dy, 1 + dx : 9 + dx] for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
    thickened: np.ndarray = np.maximum(coverage, 0.8 * np.max(shifted, axis=0))
    return thickened


def _color(random: np.random.RandomState, digit_class: int) -> np.ndarray:
    """Draw a color (RGB in 0..1) around that of a class, which counts from 1."""
    import numpy as np

    color: np.ndarray = np.array(COLORS[digit_class - 1]) * random.uniform(0.75, 1.0)
    return (color + random.uniform(0, COLOR_SPREAD, 3)).clip(0, 1)


def _scene(
    random: np.random.RandomState, coverage: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compose one scene from digits' `coverage` (n, 8, 8) in 0..1: pixels (48, 48, 3) and mask (48, 48)."""
    import numpy as np

    tint = random.uniform(0.8, 1.2, 3)
    image = _background(random)[..., None] * tint
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(random.randint(DIGITS_PER_SCENE[0], DIGITS_PER_SCENE[1] + 1)):
        chosen = random.randint(len(coverage))
        side = round(8 * random.uniform(*ENLARGEMENT))
        top, left = random.randint(0, SIDE - side + 1, 2)
        color = _color(random, labels[chosen])
        stroke = _enlarge(coverage[chosen], side)
        place = slice(top, top + side), slice(left, left + side)
        image[place] += stroke[..., None] * (color - image[place])
        mask[place][stroke > OUTSIDE] = IGNORE_INDEX
        mask[place][stroke > INSIDE] = labels[chosen]
    return (image.clip(0, 1) * 255).round().astype(np.uint8), mask


@cache
def _draw() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Draw scenes for training and for validation, once: pixels (n, 3, 48, 48) and masks (n, 48, 48)."""
    import numpy as np

    from greenbench.data.scans import LEVELS, VALIDATION_EVERY, read_scans

    scans, labels = read_scans()
    # Scenes of one split use the digits of that split alone: no stroke is seen in both.
    for_validation = np.arange(len(labels)) % VALIDATION_EVERY == 0
    splits = []
    for seed, count, in_split in (
        (1, TRAIN_SCENES, ~for_validation),
        (2, VALIDATION_SCENES, for_validation),
    ):
        random = np.random.RandomState(seed)
        usable = in_split & np.isin(labels, DIGIT_CLASSES)
        coverage = _thicken(scans[usable] / LEVELS)
        classes = np.searchsorted(DIGIT_CLASSES, labels[usable]) + 1
        images, masks = zip(*(_scene(random, coverage, classes) for _ in range(count)), strict=True)
        splits.append((np.stack(images).transpose(0, 3, 1, 2).copy(), np.stack(masks)))
    return tuple(splits)


@workload(
    title="Scenes-4",
    metric="miou",
    num_classes=CLASSES,
    image_size=(SIDE, SIDE),
    ignore_index=IGNORE_INDEX,
    network=bisenet,
    optimizer=sgd_sparing_vectors,
    schedule=poly,
    settings={
        "smoke": Setting(
            epochs=4,
            batch_size=10,
            learning_rate=0.3,
            evaluate_every=2,
            network={"width": 0.375, "blocks_per_stage": (1, 1, 1, 1)},
            floor=0.847,
            floor_source="86.7 % over 24 seeds, standard deviation 0.5 points; less four of those",
        )
    },
)
def scenes4(device: torch.device) -> MaskData:
    """Scenes made of the package's digits on textured backgrounds, with a narrow BiSeNet.

    A scene holds a few digits, each of a random size and place, on a background of smooth noise and stripes. Each
    digit class has a color, from which single digits stray. A pixel's class is that of the digit whose thickened
    stroke covers it, or background (0). The soft rim, where digit and background mix, carries the ignore label.
    There are three digit classes and the background: with more, a network that sees a few hundred scenes learns all of
    them in some runs and not in others, and the seed decides, no technique.

    **Network.** The backbone has one block in each stage, which learns in fewer steps, and is wide enough that runs
    of one recipe end within a point of each other: a narrower one scatters more than techniques differ.

    Everything is drawn with NumPy's legacy generator, whose streams are frozen, so the scenes are the same on
    every machine. The version is a digest of the pixels themselves.

    **Source.** Made for this suite; the digits are those of the workload ``digits``.

    **Augmentation.** Horizontal flip.
    """
    import torch

    from greenbench.data.images import ResidentImages
    from greenbench.data.masks import MaskData
    from greenbench.data.normalization import Normalization
    from greenbench.data.views import View

    drawn = _draw()
    digest = hashlib.sha256(b"".join(values.tobytes() for split in drawn for values in split))
    train, validation = (ResidentImages(*map(torch.from_numpy, split)) for split in drawn)
    return MaskData(
        train,
        validation,
        crop=(SIDE, SIDE),
        view=View(base_size=SIDE, ignore_index=IGNORE_INDEX),
        num_classes=CLASSES,
        normalization=Normalization((0.4, 0.4, 0.4), (0.25, 0.25, 0.25)),
        version=digest.hexdigest()[:12],
        device=device,
    )
