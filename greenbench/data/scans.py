"""Scanned handwritten digits that come with the package (attribution in files/ATTRIBUTION.md)."""

from __future__ import annotations

import io
from importlib import resources

import numpy as np

LEVELS = 16
"""The scans have gray levels 0 to 16."""

VALIDATION_EVERY = 2
"""Every second scan is for validation: 898 for training, 899 for validation."""


def read_scans() -> tuple[np.ndarray, np.ndarray]:
    """Return scans (1797, 8, 8) with values 0 to `LEVELS`, and labels (1797,)."""
    content = resources.files(__package__).joinpath("files/digits.npz").read_bytes()
    with np.load(io.BytesIO(content)) as arrays:
        return arrays["images"], arrays["labels"]
