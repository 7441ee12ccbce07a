"""Scanned handwritten digits, shipped with the package (attribution in files/ATTRIBUTION.md).

``digits`` has ten classes; ``digits20`` adds the inverted images (dark on light) as ten more.
"""

from __future__ import annotations

import hashlib
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.datasets import Dataset, Splits

if TYPE_CHECKING:
    import numpy as np

FILE = "files/digits.npz"
LEVELS = 16
"""The scans have gray levels 0 to 16."""

SIDE = 10
"""The 8 px scans are enlarged, so that the deepest of the four stages still has more than one pixel."""

TIES_UP = 1e-3
"""Added before rounding: interpolation lands on halves, which machines would round each in its own way."""

HELD_OUT_EVERY = 5
"""Every fifth image is held out: 1,437 for training, 360 held out."""


def read_scans() -> tuple[np.ndarray, np.ndarray]:
    """Return scans (1797, 8, 8) with values 0 to 16, and labels (1797,)."""
    import io

    import numpy as np

    content = resources.files("greenbench.datasets").joinpath(FILE).read_bytes()
    with np.load(io.BytesIO(content)) as arrays:
        return arrays["images"], arrays["labels"]


def _load(_root: Path, inverted: bool) -> Splits:
    import numpy as np
    import torch
    import torch.nn.functional as F

    from greenbench.data.images import ResidentImages

    scans, labels = read_scans()
    gray = scans.astype(np.float32) * (255 / LEVELS)
    labels = labels.astype(np.int64)
    heldout = np.arange(len(labels)) % HELD_OUT_EVERY == 0
    if inverted:
        gray = np.concatenate([gray, 255 - gray])
        labels = np.concatenate([labels, labels + 10])
        heldout = np.concatenate([heldout, heldout])
    pixels = F.interpolate(torch.from_numpy(gray)[:, None], size=(SIDE, SIDE), mode="bilinear")
    images = (pixels + TIES_UP).round().to(torch.uint8).expand(-1, 3, -1, -1).contiguous()
    targets = torch.from_numpy(labels)
    digest = hashlib.sha256(images.numpy().tobytes() + labels.tobytes())
    chosen = torch.from_numpy(heldout)
    return Splits(
        ResidentImages(images[~chosen], targets[~chosen]),
        ResidentImages(images[chosen], targets[chosen]),
        digest.hexdigest()[:12],
    )


DATASETS = tuple(
    Dataset(
        name=name,
        title=title,
        task="classification",
        classes=classes,
        image_size=(SIDE, SIDE),
        load=partial(_load, inverted=inverted),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    for name, title, classes, inverted in (
        ("digits", "Digits", 10, False),
        ("digits20", "Digits-20", 20, True),
    )
)
