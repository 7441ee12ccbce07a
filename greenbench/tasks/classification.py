"""Image classification with ResNet-50: the baseline recipe of section 3.1. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from greenbench.datasets import Dataset
from greenbench.protocol import Protocol
from greenbench.recipe import Recipe
from greenbench.nn.schedules import step_decay
from greenbench.tasks.shared import constant_size, cross_entropy, plain_batch

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


@dataclass(frozen=True)
class Setting:
    """What differs between the data sets."""

    batch_size: int
    learning_rate: float
    warmup_fraction: float


PAPER_SETTING = Setting(batch_size=128, learning_rate=0.1, warmup_fraction=1 / 200)
SMOKE_SETTING = Setting(batch_size=48, learning_rate=0.06, warmup_fraction=0.1)
SETTINGS = {
    "cifar100": PAPER_SETTING,
    "tiny_imagenet": PAPER_SETTING,
    "digits": SMOKE_SETTING,
    "digits20": SMOKE_SETTING,
}


def baseline(dataset: Dataset, protocol: Protocol) -> Recipe:
    """Return the baseline recipe: SGD with momentum, step decay after a warm-up, cross-entropy."""
    setting = SETTINGS[dataset.name]
    return Recipe(
        task="classification",
        classes=dataset.classes,
        image_size=dataset.image_size,
        ignore_index=None,
        epochs=protocol.epochs[dataset.name],
        batch_size=setting.batch_size,
        network=partial(_network, dataset.classes, protocol),
        optimizer=partial(_optimizer, learning_rate=setting.learning_rate),
        schedule=partial(step_decay, warmup_fraction=setting.warmup_fraction),
        loss=partial(cross_entropy, ignore_index=None),
        batch_transform=plain_batch,
        size_factor=constant_size,
    )


def _network(classes: int, protocol: Protocol) -> nn.Module:
    from greenbench.networks.resnet import resnet50
    from greenbench.tasks.shared import set_norm_momentum

    network = resnet50(classes, protocol.width, protocol.blocks_per_stage)
    return set_norm_momentum(network, protocol.norm_momentum)


def _optimizer(network: nn.Module, learning_rate: float) -> Optimizer:
    """Weight decay on everything, norms and biases too, as the public code of this recipe has it."""
    from torch.optim import SGD

    return SGD(
        network.parameters(), lr=learning_rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True
    )
