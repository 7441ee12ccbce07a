"""How a workload runs at one scale, as data. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from greenbench.errors import UserError
from greenbench.spec.recipe import Size

Split = Literal["train", "validation"]
SPLITS: Mapping[Split, str] = {"train": "training", "validation": "validation"}
"""What their images are called."""


@dataclass(frozen=True)
class Subset:
    """A part of a data set.

    Attributes
    ----------
    train, validation
        Images of each split; of all classes alike where images have labels.
    seed
        By which they are drawn.
    """

    train: int
    validation: int
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("train", 1), ("validation", 1), ("seed", 0)):
            _check_whole(f"{name} of a subset", getattr(self, name), least)

    def count(self, split: Split) -> int:
        """Return how many images of a split it has."""
        return self.train if split == "train" else self.validation


@dataclass(frozen=True)
class Drawn:
    """Which part of a data set was drawn.

    Attributes
    ----------
    subset
        What was asked for.
    found
        Images that there are of each split.
    """

    subset: Subset
    found: Mapping[Split, int]

    def size(self, split: Split) -> int:
        """Return how many images of a split are used; training images that are repeated count once."""
        return min(self.subset.count(split), self.found[split])

    def __str__(self) -> str:
        parts = [
            f"{self.size(split):,} of {found:,} {SPLITS[split]} images"
            + (
                f" (repeated to {self.subset.train:,})"
                if split == "train" and found < self.subset.train
                else ""
            )
            for split, found in self.found.items()
        ]
        return f"{' and '.join(parts)}, drawn with seed {self.subset.seed}"


@dataclass(frozen=True)
class Setting:
    """How a workload runs at one scale.

    Attributes
    ----------
    epochs, batch_size, learning_rate
        Of the baseline.
    network
        Arguments for the workload's `network`, such as ``{"width": 0.25}``.
    evaluate_every
        Epochs between evaluations; the last epoch is always evaluated.
    large_batch
        Images in a pass that fills the device, so that it measures the network and not the start of its layers.
    floor, floor_source
        The least score that the baseline itself must reach, and where the number comes from.
    targets
        Scores of validation images to which the cost is stated, beside that to the baseline's own: ``(0.9, 0.95)``.
        None stands for the floor, which the baseline itself reaches.
    subset
        The part of the data that is used; None for all.
    image_size
        Of a training image instead of the workload's own, at inference too. All else in pixels follows: how far images
        are padded before a crop, the side that they are rescaled to, and the size at which they are evaluated.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    network: Mapping[str, Any] = field(default_factory=dict)
    evaluate_every: int = 1
    large_batch: int = 32
    floor: float | None = None
    floor_source: str = ""
    targets: tuple[float, ...] | None = None
    subset: Subset | None = None
    image_size: Size | None = None

    @property
    def stated_targets(self) -> tuple[float, ...]:
        """The targets, or else the floor."""
        if self.targets is not None:
            return tuple(self.targets)
        return () if self.floor is None else (self.floor,)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evaluate_every", "large_batch"):
            _check_whole(name, getattr(self, name), 1)
        if not self.learning_rate > 0:
            raise UserError(f"learning_rate is {self.learning_rate!r}", "give a number above 0")
        for target in self.targets or ():
            if isinstance(target, bool) or not isinstance(target, int | float) or not math.isfinite(target):
                raise UserError(
                    f"targets holds {target!r}", "give scores of the workload's metric, as (0.9, 0.95)"
                )


def _check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise UserError(f"{name} is {value!r}", f"give a whole number from {least} on")
