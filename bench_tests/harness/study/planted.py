"""Defects to plant into the smoke study, to see whether it notices them.

Each is a context manager, so that what it changes is put back. Those `beyond` the study's power say what notices them
instead, or why nothing at this scale can.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from greenbench.data import labels
from greenbench.data.labels import LabelData
from greenbench.data.masks import MaskData
from greenbench.data.normalization import Normalization
from greenbench.execute.trainer import Trainer
from greenbench.networks.resnet import resnet50
from greenbench.spec.technique import BASELINE, Technique

IGNORED = 255

Plant = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Defect:
    """Something wrong, and the pair that has to notice it.

    Attributes
    ----------
    name
        What is wrong.
    plant
        Makes it so.
    technique, workload, kind
        Of the cases that are run with it. A technique is held against a baseline that is sound.
    beyond
        Why the study cannot notice it; empty where it must.
    """

    name: str
    plant: Plant
    technique: str = BASELINE
    workload: str = "scenes4"
    kind: str = "training"
    beyond: str = ""


def instead(place, name, make) -> Plant:
    """Put what `make` makes of an attribute in its place."""
    return lambda: patch.object(place, name, make(getattr(place, name)))


def of_recipe(**changes) -> Plant:
    """Change every recipe that is trained: each field by a function of the recipe."""

    def make(build):
        def built(trainer, recipe, *arguments, **named):
            changed = {field: change(recipe) for field, change in changes.items()}
            build(trainer, replace(recipe, **changed), *arguments, **named)

        return built

    return instead(Trainer, "__init__", make)


def of_technique(change) -> Plant:
    """Change what techniques make of the baseline's recipe, and the baseline not."""

    def make(call):
        def called(technique, recipe):
            if technique.is_baseline:
                return call(technique, recipe)
            return call(replace(technique, apply=lambda given: change(given, technique.apply(given))), recipe)

        return called

    return instead(Technique, "__call__", make)


def of_optimizer(**settings) -> Plant:
    """Set values in all parameter groups of every optimizer."""

    def changed(recipe):
        def optimizer(network, learning_rate):
            built = recipe.optimizer(network, learning_rate)
            for group in built.param_groups:
                group.update(settings)
            return built

        return optimizer

    return of_recipe(optimizer=changed)


def of_networks(change) -> Plant:
    """Change every network that is built."""

    def changed(recipe):
        def network():
            built = recipe.network()
            change(built)
            return built

        return network

    return of_recipe(network=changed)


def of_batches(data, change) -> Plant:
    """Change every training batch."""

    def make(read):
        def batches(*arguments):
            for images, targets in read(*arguments):
                yield change(images, targets)

        return batches

    return instead(data, "training_batches", make)


def scaled_loss(factor):
    return of_recipe(objective=lambda recipe: lambda *step: factor * recipe.objective(*step))


def scaled_rate(factor):
    return of_recipe(learning_rate=lambda recipe: factor * recipe.learning_rate)


def classes_off_by_one(images, targets):
    valid = targets != IGNORED
    return images, torch.where(valid, (targets + 1) % (int(targets[valid].max()) + 1), targets)


def judged_untrained(_judged):
    @contextmanager
    def judged(trainer):
        yield trainer.recipe.network().eval()

    return judged


def half_of_the_steps(take):
    def step(trainer, batch):
        if trainer.step % 2 == 0:
            return take(trainer, batch)
        trainer.schedule.step()
        return torch.zeros(())

    return step


def adding_up(recipe):
    def gradients(trainer, inputs, targets):
        objective = recipe.objective(trainer, inputs, targets)
        objective.backward()
        return objective

    return gradients


def freeze_half(network):
    parameters = list(network.parameters())
    for parameter in parameters[: len(parameters) // 2]:
        parameter.requires_grad_(False)


def freeze_norms(network):
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0


def seed_ignored(build):
    def built(trainer, *arguments, seed, **named):
        build(trainer, *arguments, seed=0 * seed, **named)

    return built


def twice_forward(recipe):
    def objective(trainer, inputs, targets):
        trainer.network(inputs)
        return recipe.objective(trainer, inputs, targets)

    return objective


def constant_rate(_recipe):
    return lambda optimizer, _steps, _epochs: LambdaLR(optimizer, lambda _step: 1.0)


def wider(_baseline, changed):
    return replace(changed, network=lambda: resnet50(changed.num_classes, 0.25, (1, 1, 1, 1)))


def with_constant_labels(read):
    def batches(*arguments):
        for images, targets in read(*arguments):
            yield images, torch.zeros_like(targets)

    return batches


UNNORMALIZED = Normalization((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))

DEFECTS = (
    Defect("the technique does nothing", of_technique(lambda baseline, _changed: baseline), "mixup"),
    Defect("labels are shuffled", of_batches(MaskData, lambda x, y: (x, y.roll(1, dims=0)))),
    Defect("classes are off by one in training", of_batches(MaskData, classes_off_by_one)),
    Defect("masks are not turned with their images", of_batches(MaskData, lambda x, y: (x.flip(-2), y))),
    Defect("ignored pixels are learned as background", of_batches(MaskData, lambda x, y: (x, y % IGNORED))),
    Defect("the network that is judged was never trained", instead(Trainer, "_judged", judged_untrained)),
    Defect("norms keep the averages that they began with", of_networks(freeze_norms)),
    Defect("half of the steps are left out", instead(Trainer, "_take_step", half_of_the_steps)),
    Defect("gradients add up from step to step", of_recipe(gradients=adding_up)),
    Defect("no momentum", of_optimizer(momentum=0.0)),
    Defect("half of the network is not learned", of_networks(freeze_half)),
    Defect("the learning rate is ten times as high", scaled_rate(10), workload="digits"),
    Defect("the learning rate is a tenth", scaled_rate(0.1)),
    Defect(
        "the learning rate never falls",
        of_recipe(schedule=constant_rate),
        workload="digits",
        beyond="scores scatter more, and their mean stays above the floor; test_recipes pins the schedule",
    ),
    Defect(
        "pixels are not normalized",
        instead(Normalization, "on", lambda on: lambda _self, d: on(UNNORMALIZED, d)),
        beyond="the network's norms do it again; test_embedded_data pins what batches hold",
    ),
    Defect("a technique's network is twice as wide", of_technique(wider), "coordconv", "digits", "inference"),
    Defect(
        "the loss is three times as large",
        scaled_loss(3),
        beyond="such a run loses no more than seeds scatter; test_losses pins the values",
    ),
    Defect("the loss is a tenth", scaled_loss(0.1)),
    Defect(
        "training images are evaluated",
        instead(LabelData, "evaluation_batches", lambda read: lambda data, _split: read(data, "train")),
        workload="digits",
    ),
    Defect(
        "norms use the batch in evaluation",
        instead(nn.Module, "eval", lambda _eval: lambda module: module),
        beyond="evaluated batches are large and hold all classes",
    ),
    Defect(
        "no weight decay",
        of_optimizer(weight_decay=0.0),
        beyond="in so few steps it decays nothing; test_recipes pins it",
    ),
    Defect(
        "no augmentation",
        instead(labels, "augment", lambda _augment: lambda images, *_: images),
        workload="digits",
        beyond="it is worth a point, which is what seeds scatter; test_embedded_data pins it",
    ),
    Defect(
        "the seed is ignored",
        instead(Trainer, "__init__", seed_ignored),
        beyond="scores are as good; test_trainer notices it",
    ),
    Defect(
        "the network runs once more in each step",
        of_recipe(objective=twice_forward),
        beyond="time alone tells, which a shared machine changes by more",
    ),
)
