"""The one training loop: a recipe, data and a meter in, a plain result out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from greenbench.energy import Meter, Reading, total
from greenbench.energy.extrapolate.steady import EpochEnergy, SteadyEnergy
from greenbench.protocol import MEASURED_EPOCHS, TrainingEnergy
from greenbench.recipe import BatchTransform, LossFunction, Recipe, scaled_size
from greenbench.records.results import Epoch, Progress, ProgressCallback, TrainingResult
from greenbench.tasks import Split, TaskData


@contextmanager
def evaluation_mode(network: nn.Module, optimizer: Optimizer) -> Iterator[None]:
    """Evaluate inside: norms use running averages, no gradients, and the optimizer its final weights.

    An optimizer that keeps a second set of weights has methods ``eval()`` and ``train()``, the convention of
    schedule-free optimizers; they switch to the weights that are to be judged, and back.
    """
    network.eval()
    if hasattr(optimizer, "eval"):
        optimizer.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train()
        if hasattr(optimizer, "train"):
            optimizer.train()


def evaluate(network: nn.Module, data: TaskData, split: Split) -> dict[str, float]:
    """Return the metrics of `network`, already in evaluation mode, on a split."""
    score = data.score()
    for images, targets in data.evaluation_batches(split):
        score.update(network(images), targets)
    return score.compute()


def train(
    recipe: Recipe,
    data: TaskData,
    meter: Meter,
    *,
    seed: int,
    device: torch.device,
    training_energy: TrainingEnergy = "all",
    evaluate_every: int = 1,
    progress: ProgressCallback = lambda _: None,
) -> TrainingResult:
    """Train the recipe's network and measure what it costs.

    Parameters
    ----------
    recipe
        What to train, and how.
    data
        The data set's batches.
    meter
        Measures the training work of each epoch and, apart from it, the evaluations.
    seed
        Of the network's initial weights, the order of the data, augmentation and techniques.
    device
        Where to train.
    training_energy
        How the training's energy is measured; see `greenbench.protocol.Protocol`.
    evaluate_every
        Epochs between evaluations; the last epoch is always evaluated.
    progress
        Called after every step.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = recipe.network().to(device)
    network.train()
    steps_per_epoch = data.steps_per_epoch(recipe.batch_size)
    steps = recipe.epochs * steps_per_epoch
    optimizer = recipe.optimizer(network)
    schedule = recipe.schedule(optimizer, steps_per_epoch, recipe.epochs)
    step = _Step(network, optimizer, schedule, recipe.loss(), recipe.batch_transform, generator)

    factors = [recipe.size_factor(epoch, recipe.epochs) for epoch in range(recipe.epochs)]
    sizes = [scaled_size(recipe.image_size, factor) for factor in factors]
    stages = [f"training at {height}x{width} px" for height, width in sizes]
    energy = _energy_meter(meter, training_energy, stages, steps_per_epoch)
    curve: list[Epoch] = []
    evaluation: list[Reading] = []
    train_metrics: dict[str, float] | None = None
    diverged_at_step: int | None = None

    for epoch, factor in enumerate(factors):
        text = f"epoch {epoch + 1}/{recipe.epochs}"
        if curve and curve[-1].heldout:
            text += f", held-out {data.metric} {curve[-1].heldout[data.metric]:.3f}"
        learning_rate = schedule.get_last_lr()[0]
        losses: list[Tensor] = []
        start = time.monotonic()
        with energy.stage(stages[epoch]) as step_done:
            for images, targets in data.training_batches(recipe.batch_size, factor, generator):
                losses.append(step(images, targets))
                step_done()
                progress(Progress(epoch * steps_per_epoch + len(losses), steps, text))
        # One look per epoch: asking for every step's loss would make a GPU wait at every step.
        epoch_losses = torch.stack(losses).double().cpu()
        seconds = time.monotonic() - start
        not_finite = (~epoch_losses.isfinite()).nonzero()
        if len(not_finite):
            diverged_at_step = epoch * steps_per_epoch + int(not_finite[0]) + 1

        last = epoch == recipe.epochs - 1
        heldout = None
        if diverged_at_step is None and (last or (epoch + 1) % evaluate_every == 0):
            with meter.window(f"evaluation {epoch + 1}") as window, evaluation_mode(network, optimizer):
                heldout = evaluate(network, data, "heldout")
                if last:
                    train_metrics = evaluate(network, data, "train")
            evaluation.append(window.reading)
        curve.append(
            Epoch(
                epoch=epoch + 1,
                image_size=sizes[epoch],
                learning_rate=float(learning_rate),
                train_loss=float(epoch_losses.mean()) if diverged_at_step is None else None,
                seconds=seconds,
                heldout=heldout,
            )
        )
        if diverged_at_step is not None:
            break

    evaluated = [(entry.heldout[data.metric], entry.epoch) for entry in curve if entry.heldout]
    best = max(evaluated, key=lambda pair: (pair[0], -pair[1]), default=(None, None))
    return TrainingResult(
        status="finished" if diverged_at_step is None else "diverged",
        metric=data.metric,
        steps=len(curve) * steps_per_epoch,
        diverged_at_step=diverged_at_step,
        train=train_metrics,
        heldout=curve[-1].heldout,
        best_heldout=best[0],
        best_epoch=best[1],
        train_seconds=sum(entry.seconds for entry in curve),
        evaluation_seconds=sum(reading.seconds for reading in evaluation),
        # What a diverged run would have cost in full is not known: its figure is what was spent.
        energy=energy.reading if diverged_at_step is None else energy.spent,
        evaluation_energy=total(evaluation),
        curve=tuple(curve),
    )


def _energy_meter(
    meter: Meter, method: TrainingEnergy, stages: list[str], steps_per_epoch: int
) -> EpochEnergy | SteadyEnergy:
    """Return what measures the epochs whose work is named by `stages`."""
    if method == "steady":
        return SteadyEnergy(meter, {name: count * steps_per_epoch for name, count in Counter(stages).items()})
    same_work = len(set(stages)) == 1
    return EpochEnergy(meter, len(stages), MEASURED_EPOCHS if method == "epochs" and same_work else None)


@dataclass(frozen=True)
class _Step:
    """One optimizer step; returns its loss, left on the device."""

    network: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    loss_function: LossFunction
    batch_transform: BatchTransform
    generator: torch.Generator

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        images, weighted = self.batch_transform(images, targets, self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network(images)
        losses = [weight * self.loss_function(logits, target) for weight, target in weighted]
        loss = torch.stack(losses).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        return loss.detach()
