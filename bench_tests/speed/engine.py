"""The engine's own loop and steps against loops written by hand."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD

from bench_tests.speed.contest import Contest, Target
from bench_tests.speed.data import CIFAR
from bench_tests.speed.losses import regions
from greenbench.data.images import ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.masks import MaskData
from greenbench.data.normalization import Normalization
from greenbench.data.views import View
from greenbench.execute.counts import count
from greenbench.execute.trainer import Trainer
from greenbench.networks.bisenet import BiSeNet
from greenbench.nn.baselines import cross_entropy, sgd_sparing_vectors
from greenbench.nn.schedules import poly
from greenbench.spec.mode import FAST
from greenbench.spec.recipe import Recipe
from greenbench.study.catalog import discover

CPU = torch.device("cpu")
ENDLESS = 10**6
"""Epochs of a run that no contest comes to the end of."""

IGNORE = 255

SQUARE = 1024
"""Side of the matrices by which a machine's rate of products is found."""

HEAVY = 5
"""Turns where one takes seconds."""


def engine(batch_size: int = 36) -> Contest:
    """An epoch of the smallest study, by the engine and by the loop that one writes without it."""
    digits = discover().workloads["digits"]
    data = digits.data(None, CPU)
    recipe = replace(digits.recipe("smoke"), epochs=ENDLESS, batch_size=batch_size)

    class ByHand:
        """The same arithmetic, with nothing that can be saved, replaced or measured."""

        def __init__(self) -> None:
            torch.manual_seed(0)
            self.network = recipe.network().train()
            self.loss = recipe.loss()
            self.optimizer = recipe.optimizer(self.network, recipe.learning_rate)
            steps = data.steps_per_epoch(recipe.batch_size)
            self.schedule = recipe.schedule(self.optimizer, steps, recipe.epochs)
            self.generator = torch.Generator().manual_seed(0)

        def epoch(self) -> list[Tensor]:
            losses = []
            for images, targets in data.training_batches(recipe.batch_size, 1.0, self.generator):
                self.optimizer.zero_grad(set_to_none=True)
                loss = self.loss(self.network(data.normalize(images)), targets)
                loss.backward()
                self.optimizer.step()
                self.schedule.step()
                losses.append(loss.detach())
            return losses

    def epoch_of(trainer: Trainer) -> list[Tensor]:
        return list(trainer.epoch_steps())

    def trainer() -> Trainer:
        return Trainer(recipe, data, seed=0, device=CPU)

    def difference() -> float:
        ours, theirs = torch.stack(epoch_of(trainer())), torch.stack(ByHand().epoch())
        return float((ours - theirs).abs().max() / theirs.abs().max())

    running, by_hand = trainer(), ByHand()
    batch, labels = next(
        iter(data.training_batches(recipe.batch_size, 1.0, torch.Generator().manual_seed(0)))
    )
    images, network, loss = data.normalize(batch), recipe.network().train(), recipe.loss()

    def floor() -> None:
        for _ in range(running.steps_per_epoch):
            loss(network(images), labels).backward()

    return Contest(
        lambda: epoch_of(running), by_hand.epoch, floor, "a loop by hand", "forward and backward alone", difference,
        1e-6, items=running.steps_per_epoch, target=Target(speedup=0.97),
    )  # fmt: skip


def fast_step(images: int = 128, width: float = 1.0) -> Contest:
    """A step of ResNet-50 at 32 px: in mode fast, and as the study's code takes it."""
    cifar = discover().workloads["cifar100"]
    setting = cifar.settings["paper"]
    narrow = replace(setting, network={**setting.network, "width": width})
    recipe = replace(
        replace(cifar, settings={"paper": narrow}).recipe("paper"), epochs=ENDLESS, batch_size=images
    )
    held = ResidentImages(
        torch.randint(256, (images, 3, 32, 32), dtype=torch.uint8), torch.arange(images) % 100
    )
    data = LabelData(
        held, held, augmentation=CIFAR, normalization=Normalization(), version="random", device=CPU
    )

    def trainer() -> Trainer:
        return Trainer(recipe, data, seed=0, device=CPU, mode=FAST)

    running = trainer()
    torch.manual_seed(0)
    network = recipe.network().train()
    optimizer = SGD(network.parameters(), lr=recipe.learning_rate, momentum=0.9, weight_decay=5e-4)

    def loss_by_hand() -> Tensor:
        generator = torch.Generator().manual_seed(0)
        ((batch, labels),) = data.training_batches(images, 1.0, generator)
        return F.cross_entropy(network(data.normalize(batch)), labels)

    def peer() -> None:
        optimizer.zero_grad()
        loss_by_hand().backward()
        optimizer.step()

    macs = count(network, (1, 3, 32, 32)).full_macs
    # A backward pass multiplies twice as often as a forward pass: by the weights and by what came in.
    products = max(1, round(3 * images * macs / SQUARE**3))
    left, right = (torch.randn(SQUARE, SQUARE).bfloat16() for _ in range(2))

    def floor() -> None:
        for _ in range(products):
            left @ right

    return Contest(
        lambda: list(running.epoch_steps()), peer, floor, "a loop by hand: float32, contiguous, eager",
        "bfloat16 products of as many MACs",
        lambda: abs(float(next(trainer().epoch_steps()) / loss_by_hand().detach()) - 1), 0.05,
        repeats=HEAVY, items=images, target=Target(speedup=2.3, over_floor=1 / 0.55),
    )  # fmt: skip


def segmentation_step(images: int = 2, side: int = 640, classes: int = 171, width: float = 1.0) -> Contest:
    """A step of BiSeNet on many classes: in mode fast, where the loss upsamples in blocks of rows, and all at once."""
    recipe = Recipe(
        task="segmentation",
        num_classes=classes,
        image_size=(side, side),
        ignore_index=IGNORE,
        epochs=ENDLESS,
        batch_size=images,
        learning_rate=0.01,
        network=lambda: BiSeNet(classes, width=width),
        optimizer=sgd_sparing_vectors,
        schedule=poly,
        loss=lambda: cross_entropy(IGNORE),
    )
    pixels = torch.randint(256, (images, 3, side, side), dtype=torch.uint8)
    held = ResidentImages(pixels, regions(images, classes, side).byte())
    data = MaskData(
        held, held, crop=(side, side), view=View(base_size=side, ignore_index=IGNORE), num_classes=classes,
        normalization=Normalization(), version="random", device=CPU,
    )  # fmt: skip

    def trainer() -> Trainer:
        return Trainer(recipe, data, seed=0, device=CPU, mode=FAST)

    running = trainer()
    torch.manual_seed(0)
    network = recipe.network().train()
    optimizer = recipe.optimizer(network, recipe.learning_rate)

    def loss_by_hand() -> Tensor:
        ((batch, targets),) = data.training_batches(images, 1.0, torch.Generator().manual_seed(0))
        return F.cross_entropy(network(data.normalize(batch)), targets, ignore_index=IGNORE)

    def peer() -> None:
        optimizer.zero_grad()
        loss_by_hand().backward()
        optimizer.step()

    ((batch, _),) = data.training_batches(images, 1.0, torch.Generator().manual_seed(0))
    normalized = data.normalize(batch)

    def floor() -> None:
        running.network.zero_grad()
        running.network(normalized, upsample=False).mean().backward()

    return Contest(
        lambda: list(running.epoch_steps()), peer, floor, "a loop by hand: float32, contiguous, eager",
        "the network without its loss",
        lambda: abs(float(next(trainer().epoch_steps()) / loss_by_hand().detach()) - 1), 0.05,
        repeats=HEAVY, items=images, target=Target(speedup=2),
    )  # fmt: skip


CONTESTS = {"engine": engine, "fast_step": fast_step, "segmentation_step": segmentation_step}
