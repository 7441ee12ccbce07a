"""A training set-up as data. Imports no torch: a recipe holds factories, and nothing is built before the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Size = tuple[int, int]
"""Height and width in pixels."""

WeightedTargets = Sequence[tuple[float, "torch.Tensor"]]
"""Targets of one batch with their weights: the batch's loss is the weighted sum of their losses."""

NetworkFactory = Callable[[], "torch.nn.Module"]
OptimizerFactory = Callable[["torch.nn.Module"], "Optimizer"]
ScheduleFactory = Callable[["Optimizer", int, int], "LRScheduler"]
LossFunction = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
BatchTransform = Callable[
    ["torch.Tensor", "torch.Tensor", "torch.Generator"], tuple["torch.Tensor", WeightedTargets]
]


def plain_batch(
    images: torch.Tensor, targets: torch.Tensor, _generator: torch.Generator
) -> tuple[torch.Tensor, WeightedTargets]:
    """Leave the batch as it is: one set of targets with weight 1."""
    return images, [(1.0, targets)]


def constant_size(_epoch: int, _epochs: int) -> float:
    """Train on images of full size in every epoch."""
    return 1.0


def scaled_size(size: Size, factor: float) -> Size:
    """Return an image size times a factor."""
    return round(size[0] * factor), round(size[1] * factor)


@dataclass(frozen=True)
class Recipe:
    """One training set-up. A technique changes it with ``dataclasses.replace(recipe, ...)``.

    Attributes
    ----------
    task
        What is trained, such as ``classification``: a workload's own word. Techniques say where they apply by it.
    num_classes
        C, the channels of the logits.
    image_size
        Of a training image, after cropping.
    ignore_index
        Label of targets that do not count, or None.
    epochs, batch_size
        Length of the run, and images per step.
    network
        Builds the network: images (N, 3, H, W) to logits (N, C) or (N, C, H, W).
    optimizer
        Builds the optimizer from the network. If it has methods ``train()`` and ``eval()``, they are called around
        every evaluation (for optimizers that keep a second set of weights).
    schedule
        Builds the learning-rate schedule from (optimizer, steps per epoch, epochs). It is stepped after every
        optimizer step.
    loss
        Builds the loss function: (logits, targets) to a scalar.
    batch_transform
        Takes (images, targets, generator), returns images and `WeightedTargets`.
    size_factor
        Takes (epoch from 0, epochs), returns the side of the images as a fraction of `image_size`.
    """

    task: str
    num_classes: int
    image_size: Size
    ignore_index: int | None
    epochs: int
    batch_size: int
    network: NetworkFactory
    optimizer: OptimizerFactory
    schedule: ScheduleFactory
    loss: Callable[[], LossFunction]
    batch_transform: BatchTransform = plain_batch
    size_factor: Callable[[int, int], float] = constant_size

    def changed_fields(self, other: Recipe) -> tuple[str, ...]:
        """Return the names of the fields in which two recipes differ."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name))
