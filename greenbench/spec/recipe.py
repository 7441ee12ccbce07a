"""A training set-up as data, and a technique as a function on it. Imports no torch.

A `Recipe` says everything about one training run as a frozen set of values and factories; nothing is
built before the run calls them. A `Technique` is a pure function from recipe to recipe, so that two
of them compose as functions do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from greenbench.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

Task = Literal["classification", "segmentation"]
TASKS: tuple[Task, ...] = ("classification", "segmentation")

Category = Literal[
    "Baseline",
    "Architecture Modification",
    "Learning Rate Scheduler",
    "Data Augmentation",
    "Optimizer",
    "Loss Function",
    "Custom Nodes and Layer",
]
"""The paper's six categories (section 3.2), and the baseline that all are compared with."""

WeightedTargets = Sequence[tuple[float, "torch.Tensor"]]
"""Targets of one batch with their weights: the batch's loss is the weighted sum of their losses."""

NetworkFactory = Callable[[], "torch.nn.Module"]
OptimizerFactory = Callable[["torch.nn.Module"], "Optimizer"]
ScheduleFactory = Callable[["Optimizer", int, int], "LRScheduler"]
LossFunction = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
BatchTransform = Callable[
    ["torch.Tensor", "torch.Tensor", "torch.Generator"], tuple["torch.Tensor", WeightedTargets]
]


def scaled_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """Return an image size (height, width) in pixels, times a factor."""
    return round(size[0] * factor), round(size[1] * factor)


@dataclass(frozen=True)
class Recipe:
    """One training set-up.

    Attributes
    ----------
    task
        ``classification`` or ``segmentation``.
    classes
        Number of classes C.
    image_size
        Height and width of a training image in pixels, after cropping.
    ignore_index
        Label of pixels without a class, or None.
    epochs, batch_size
        Length of the run, and images per step.
    network
        Builds the network: (N, 3, H, W) to logits (N, C) or (N, C, H, W).
    optimizer
        Builds the optimizer from the network. One with methods ``train()`` and ``eval()`` has them
        called around every evaluation (for optimizers that keep a second set of weights).
    schedule
        Builds the learning-rate schedule from (optimizer, steps per epoch, epochs); it is stepped
        after every optimizer step.
    loss
        Builds the loss function (logits, targets) to a scalar.
    batch_transform
        Takes (images, targets, generator), returns images and `WeightedTargets`.
    size_factor
        Image side in epoch e (from 0) as a fraction of `image_size`, from (e, epochs).
    """

    task: Task
    classes: int
    image_size: tuple[int, int]
    ignore_index: int | None
    epochs: int
    batch_size: int
    network: NetworkFactory
    optimizer: OptimizerFactory
    schedule: ScheduleFactory
    loss: Callable[[], LossFunction]
    batch_transform: BatchTransform
    size_factor: Callable[[int, int], float]

    def changed_fields(self, other: Recipe) -> tuple[str, ...]:
        """Return the names of the fields in which two recipes differ."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name))


@dataclass(frozen=True)
class Technique:
    """A published way of training, as one change of the recipe.

    Attributes
    ----------
    name
        Lower case, as used in test ids and in the published tables: ``poly_half_epochs``.
    title
        As the paper's tables print it.
    category
        One of the paper's six.
    citation
        Authors, year, arXiv id.
    apply
        The change. It must return a new recipe and leave its argument alone.
    tasks
        Where the technique applies.
    card
        Its method card in Markdown; discovery fills in the module's docstring.
    source
        Name of the file that it came from; discovery fills it in.
    code
        Text of that file, kept with every record; discovery fills it in.
    """

    name: str
    title: str
    category: Category
    citation: str
    apply: Callable[[Recipe], Recipe]
    tasks: tuple[Task, ...] = TASKS
    card: str = ""
    source: str = ""
    code: str = ""

    @property
    def source_sha256(self) -> str:
        """Digest of the technique's code, part of every case's key."""
        return hashlib.sha256(self.code.encode()).hexdigest()

    @property
    def is_baseline(self) -> bool:
        """Whether this is what all others are compared with."""
        return self.category == "Baseline"

    def __call__(self, recipe: Recipe) -> Recipe:
        """Return `recipe` with the technique applied.

        Raises
        ------
        UserError
            If the technique does not apply to the recipe's task, does not return a recipe, or
            returns one that differs in nothing.
        """
        if recipe.task not in self.tasks:
            raise UserError(
                f"technique {self.name!r} applies to {' and '.join(self.tasks)}, not to {recipe.task}"
            )
        changed = self.apply(recipe)
        if not isinstance(changed, Recipe):
            raise UserError(
                f"technique {self.name!r} ({self.source}): its function returned "
                f"{type(changed).__name__}, not a Recipe; end it with dataclasses.replace(recipe, ...)"
            )
        if not self.is_baseline and not recipe.changed_fields(changed):
            raise UserError(
                f"technique {self.name!r} ({self.source}) leaves the recipe for {recipe.task} unchanged, "
                "so measuring it would compare the baseline with itself; change a field of the recipe, "
                "or leave that task out of its tasks"
            )
        return changed


def compose(techniques: Sequence[Technique]) -> Technique:
    """Return ``a+b``: the techniques applied from left to right, where all of them apply."""
    tasks = tuple(task for task in TASKS if all(task in t.tasks for t in techniques))
    name = "+".join(t.name for t in techniques)
    if not tasks:
        raise UserError(f"technique {name!r}: its parts have no task in common; compose others")

    def apply(recipe: Recipe) -> Recipe:
        for technique in techniques:
            recipe = technique(recipe)
        return recipe

    return Technique(
        name=name,
        title=" + ".join(t.title for t in techniques),
        category=techniques[0].category,
        citation="; ".join(t.citation for t in techniques),
        apply=apply,
        tasks=tasks,
        card="\n\n".join(t.card for t in techniques),
        source=", ".join(t.source for t in techniques),
        code="\n\n".join(t.code for t in techniques),
    )
