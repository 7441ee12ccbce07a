"""The file of trained weights, between a training and the inference of the same network."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from greenbench.atomic import whole_file
from greenbench.errors import UserError


def save_weights(file: Path, weights: Mapping[str, Any]) -> None:
    """Write whole or not at all; a full disk must not cost the training, and inference will say that they are missing."""
    # torch wraps a full disk in the latter
    with suppress(OSError, RuntimeError), whole_file(file) as opened:
        torch.save(weights, opened)


def read_weights(file: Path) -> Mapping[str, Any]:
    """Return trained weights; `UserError` where they are missing."""
    try:
        weights: Mapping[str, Any] = torch.load(file, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"the trained weights {file} are missing: their training was skipped or failed, or they could not be written",
            "look at the training's record, and whether there is room in the folder",
        ) from error
    return weights
