"""The two tasks: what is trained on a data set, how its images are augmented, how results are scored.

`baseline_recipe` imports no torch, so that a test collection can enumerate techniques; `open_data` reads
the data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from greenbench.datasets import Dataset
from greenbench.protocol import Protocol as Scale
from greenbench.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Split = Literal["train", "heldout"]


class Score(Protocol):
    """A metric that adds up over batches; fractions in 0..1, the first one is the task's own."""

    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add one batch."""
        ...

    def compute(self) -> dict[str, float]:
        """Return the metrics by name, the one that the tables show first."""
        ...


class TaskData(Protocol):
    """A data set as the training loop sees it: batches of normalized images, and a score."""

    version: str
    metric: str
    """Name of the metric that the tables show; `Score.compute` gives it among others."""

    def size(self, split: Split) -> int:
        """Return the number of images of a split."""
        ...

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of training batches in one epoch."""
        ...

    def training_batches(
        self, batch_size: int, size_factor: float, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch of shuffled, augmented batches: images (N, 3, H, W) float32 and targets."""
        ...

    def evaluation_batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images of `evaluated_indices`, not augmented."""
        ...

    def score(self) -> Score:
        """Return a fresh score."""
        ...


def evaluated_indices(data: TaskData, split: Split) -> list[int]:
    """Return which images of a split are evaluated: all held-out ones, and as many for training.

    The training images are evenly spaced, so that no class is left out
    of a set that is sorted by class.
    """
    images = data.size(split)
    count = min(images, data.size("heldout"))
    return [index * images // count for index in range(count)]


def baseline_recipe(dataset: Dataset, scale: Scale, data_root: Path | None = None) -> Recipe:
    """Return the recipe that every technique on this data set is compared with. Imports no torch.

    The backbone for segmentation starts from ImageNet weights where they lie in `data_root`.
    """
    if dataset.task == "classification":
        from greenbench.tasks import classification

        return classification.baseline(dataset, scale)
    from greenbench.tasks import segmentation

    return segmentation.baseline(dataset, scale, data_root)


def open_data(dataset: Dataset, root: Path | None, device: torch.device) -> TaskData:
    """Read a data set and make it ready for the training loop on `device`."""
    splits = dataset.load(root or Path())
    if dataset.task == "classification":
        from greenbench.tasks.classification_data import ClassificationData

        return ClassificationData(dataset, splits, device)
    from greenbench.tasks.segmentation_data import SegmentationData

    return SegmentationData(dataset, splits, device)
