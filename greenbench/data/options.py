"""What a workload's decorator says of its data and network. Imports no torch."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from greenbench.spec.recipe import Size
from greenbench.spec.workload import Metric

if TYPE_CHECKING:
    from torch import nn

    from greenbench.data.augmentation import Augmentation
    from greenbench.data.normalization import Normalization
    from greenbench.data.samples import Collate


@dataclass(frozen=True)
class Options:
    """Arguments of `greenbench.data.decorator.workload`, and how many samples are evaluated at once."""

    name: str
    metric: Metric
    score: Any
    network: Callable[..., nn.Module] | None
    augmentation: Augmentation | None
    normalization: Normalization | None
    collate: Collate | None
    num_classes: int | None
    image_size: Size | None
    ignore_index: int | None
    evaluation_batch: int


def place_of(error: BaseException, file: str) -> str:
    """Return the last line of `file` on an error's way, in words; the file alone where it was not on it."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{file}, line {lines[-1]}" if lines else file
