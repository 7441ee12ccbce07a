"""A training set-up as data. Imports no torch: a recipe holds factories, and nothing is built before the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from greenbench.errors import UserError
from greenbench.spec.mode import Mode

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
    from torch.optim.swa_utils import AveragedModel

Size = tuple[int, int]
"""Height and width in pixels."""

Inputs = Any
"""What the network takes: for images a tensor (N, 3, H, W); other tasks have their own."""

Targets = Any
"""What the loss takes beside the network's outputs: labels (N,), masks (N, H, W), or what a task has."""

WeightedTargets = Sequence[tuple[float, Targets]]
"""Targets of one batch with their weights: the batch's loss is the weighted sum of their losses."""

Batch = tuple[Inputs, Targets]


class Trainer(Protocol):
    """What `Recipe.objective` and `Recipe.gradients` see of the training under way.

    Attributes
    ----------
    recipe
        What is trained, with all techniques applied.
    network, optimizer
        Built from the recipe, on the device that trains.
    loss
        Takes the network's outputs and one batch's targets, returns a scalar.
    teacher
        The trained network of `Recipe.teacher`, frozen and in evaluation mode; None without one.
    mode
        What the networks compute in; what they return is float32.
    generator
        For draws of the technique's own: it shifts neither the order of the data nor their augmentation.
    step, steps
        Optimizer steps that were taken, and those of the whole run.
    """

    recipe: Recipe
    network: nn.Module
    optimizer: Optimizer
    loss: LossFunction
    generator: torch.Generator
    mode: Mode

    @property
    def teacher(self) -> nn.Module | None:
        """Return the trained teacher."""
        ...

    @property
    def step(self) -> int:
        """Return the number of steps taken."""
        ...

    @property
    def steps(self) -> int:
        """Return the number of steps of the whole run."""
        ...


NetworkFactory = Callable[[], "nn.Module"]
OptimizerFactory = Callable[["nn.Module", float], "Optimizer"]
ScheduleFactory = Callable[["Optimizer", int, int], "LRScheduler"]
LossFunction = Callable[[Any, Targets], "Tensor"]
Augment = Callable[[Inputs, Targets, "torch.Generator"], Batch]
BatchTransform = Callable[[Inputs, Targets, "torch.Generator"], tuple[Inputs, WeightedTargets]]
Objective = Callable[[Trainer, Inputs, WeightedTargets], "Tensor"]
AverageFactory = Callable[["nn.Module", int, int], "AveragedModel"]


def no_augmentation(inputs: Inputs, targets: Targets, _generator: torch.Generator) -> Batch:
    """Leave the images as the workload made them."""
    return inputs, targets


def plain_batch(
    inputs: Inputs, targets: Targets, _generator: torch.Generator
) -> tuple[Inputs, WeightedTargets]:
    """Leave the batch as it is: one set of targets with weight 1."""
    return inputs, [(1.0, targets)]


def constant_size(_epoch: int, _epochs: int) -> float:
    """Train on images of full size in every epoch."""
    return 1.0


def each_batch_once(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Take one step on every batch that is read."""
    return batches


def plain_objective(trainer: Trainer, inputs: Inputs, targets: WeightedTargets) -> Tensor:
    """Return the weighted sum of the losses of a batch."""
    network, loss, mode = trainer.network, trainer.loss, trainer.mode
    if len(targets) > 1 and mode.joint_losses and hasattr(loss, "together"):
        joint: Tensor = loss.together(network(inputs), targets)
        return joint
    if mode.joint_upsampling and hasattr(network, "coarse_logits") and hasattr(loss, "upsampled"):
        outputs, loss = network(inputs, upsample=False), loss.upsampled
    else:
        outputs = network(inputs)
    first, *others = (weight * loss(outputs, target) for weight, target in targets)
    return sum(others, start=first)


def plain_gradients(trainer: Trainer, inputs: Inputs, targets: WeightedTargets) -> Tensor:
    """Set the parameters' gradients to those of the objective, and return it."""
    trainer.optimizer.zero_grad(set_to_none=True)
    objective = returned("objective", trainer.recipe.objective(trainer, inputs, targets))
    objective.backward()  # type: ignore[no-untyped-call]
    return objective


def returned(field: str, value: Any) -> Tensor:
    """Return what `Recipe.objective` or `Recipe.gradients` returned; `UserError` unless it is a tensor."""
    if not hasattr(value, "backward"):
        raise UserError(
            f"the recipe's {field} returned {type(value).__name__}, not a scalar tensor",
            "end it with return loss",
        )
    tensor: Tensor = value
    return tensor


def as_trained(network: nn.Module) -> nn.Module:
    """Judge and use the network as it was trained."""
    return network


def scaled_size(size: Size, factor: float) -> Size:
    """Return an image size times a factor."""
    return round(size[0] * factor), round(size[1] * factor)


@dataclass(frozen=True)
class Recipe:
    """One training set-up. A technique changes it with ``dataclasses.replace(recipe, ...)``.

    A step reads a batch, augments it, normalizes it, transforms it, fills the gradients and lets optimizer and schedule
    step. Each of these is a field, and a technique that wraps the field that was there composes with others.

    Attributes
    ----------
    task
        What is trained, such as ``classification``: a workload's own word. Techniques say where they apply by it.
    num_classes
        C, the channels of the logits; None for a task without classes.
    image_size
        Of a training image, after cropping; None for a task without images.
    ignore_index
        Label of targets that do not count, or None.
    epochs, batch_size
        Length of the run, and images per step.
    learning_rate
        What the optimizer is built with; the schedule changes it from there.
    network
        Builds the network: images (N, 3, H, W) to logits (N, C) or (N, C, H, W), or what the task has.
    optimizer
        Builds the optimizer from (network, learning rate). If it has methods ``train()`` and ``eval()``, they are
        called around every evaluation (for optimizers that keep a second set of weights).
    schedule
        Builds the learning-rate schedule from (optimizer, steps per epoch, epochs). It is stepped after every
        optimizer step.
    loss
        Builds the loss function: (outputs, targets) to a scalar.
    augment
        Takes (images, targets, generator) before normalization, images as uint8, and returns images and targets: where
        torchvision's transforms belong.
    batch_transform
        Takes (inputs, targets, generator) after normalization, returns inputs and `WeightedTargets`.
    size_factor
        Takes (epoch from 0, epochs), returns the side of the images as a fraction of `image_size`.
    epoch_batches
        Takes the batches of an epoch as they are read, yields those that are trained on: at least as many.
    objective
        Takes (trainer, inputs, weighted targets), runs the network and returns the scalar to minimize.
    gradients
        Takes the same, leaves the gradients in the parameters and returns the objective. The place for what surrounds
        the backward pass: clipping, accumulation, a second pass.
    average
        Builds, from (network, steps per epoch, epochs), an average of the weights with torch's interface
        (`torch.optim.swa_utils.AveragedModel`). It is updated after every step and judged in the network's place.
    teacher
        A recipe that is trained first, as part of the run; its cost is part of the run's.
    finish
        Takes the trained network and returns the one that is judged at the end and used at inference: a pruned one.
        Its argument is a copy.
    warm_up
        Whether one step is taken and undone before the first, timed apart: for networks that compile themselves.
    """

    task: str
    num_classes: int | None
    image_size: Size | None
    ignore_index: int | None
    epochs: int
    batch_size: int
    learning_rate: float
    network: NetworkFactory
    optimizer: OptimizerFactory
    schedule: ScheduleFactory
    loss: Callable[[], LossFunction]
    augment: Augment = no_augmentation
    batch_transform: BatchTransform = plain_batch
    size_factor: Callable[[int, int], float] = constant_size
    epoch_batches: Callable[[Iterator[Batch]], Iterator[Batch]] = each_batch_once
    objective: Objective = plain_objective
    gradients: Objective = plain_gradients
    average: AverageFactory | None = None
    teacher: Recipe | None = None
    finish: Callable[[nn.Module], nn.Module] = as_trained
    warm_up: bool = False

    def changed_fields(self, other: Recipe) -> tuple[str, ...]:
        """Return the names of the fields in which two recipes differ."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name))
