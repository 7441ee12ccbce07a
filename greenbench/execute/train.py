"""The one training loop: a recipe, data and a meter in, a plain result out."""

from __future__ import annotations

import copy
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from greenbench.energy import Meter, Reading, total
from greenbench.energy.extrapolate.epochs import EpochEnergy
from greenbench.energy.extrapolate.steady import SteadyEnergy
from greenbench.errors import UserError
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.records.results import Epoch, Training
from greenbench.spec.recipe import Recipe, Size, scaled_size
from greenbench.spec.scale import MEASURED_EPOCHS, TrainingEnergy
from greenbench.spec.workload import Data, Metric, Split

TECHNIQUE_STREAM = 2**31
"""Added to the seed: what a technique draws does not shift the order and augmentation of the data. Torch's generator
takes in 32 bits of a seed."""


class Trainer:
    """One training under way, which can be saved between any two steps and gone on with elsewhere.

    Parameters
    ----------
    recipe
        What to train, and how.
    data
        The workload's batches.
    seed
        Of the initial weights, of the order and augmentation of the data, and of what techniques draw.
    device
        Where to train.
    """

    def __init__(self, recipe: Recipe, data: Data, *, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.recipe = recipe
        self.data = data
        self.epoch = 0
        """Epochs that are over."""
        self.network = recipe.network().to(device)
        self.network.train()
        self.steps_per_epoch = data.steps_per_epoch(recipe.batch_size)
        self.optimizer = recipe.optimizer(self.network)
        self.schedule = recipe.schedule(self.optimizer, self.steps_per_epoch, recipe.epochs)
        self._loss = recipe.loss()
        self._data_generator = torch.Generator().manual_seed(seed)
        self._technique_generator = torch.Generator().manual_seed(seed + TECHNIQUE_STREAM)
        self._epoch_start = self._data_generator.get_state()
        self._step = 0

    @property
    def size_factor(self) -> float:
        """Side of this epoch's images as a fraction of the recipe's."""
        return self.recipe.size_factor(self.epoch, self.recipe.epochs)

    def epoch_steps(self) -> Iterator[Tensor]:
        """Take the steps that are left of this epoch; yield each one's loss, still on the device."""
        recipe = self.recipe
        self._data_generator.set_state(self._epoch_start)
        batches = self.data.training_batches(recipe.batch_size, self.size_factor, self._data_generator)
        for images, targets in islice(batches, self._step, None):
            loss = self._take_step(images, targets)
            self._step += 1
            yield loss
        self.epoch += 1
        self._step = 0
        self._epoch_start = self._data_generator.get_state()

    def steps(self) -> Iterator[Tensor]:
        """Take all steps that are left of the run; yield each one's loss."""
        while self.epoch < self.recipe.epochs:
            yield from self.epoch_steps()

    def evaluate(self, split: Split) -> dict[str, float] | None:
        """Return the metrics on a split, with the weights that are to be judged; None if the network gives NaN.

        Raises
        ------
        UserError
            For a metric that is not finite though the network's outputs are numbers.
        """
        score = self.data.score()
        with self._evaluation():
            for images, targets in self.data.evaluation_batches(split):
                logits = self.network(images)
                if logits.isnan().any():  # the largest of NaNs is a class too, and would get a score
                    return None
                score.update(logits, targets)
        metrics = score.compute()
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise UserError(
                    f"{name} of the {split} images is {value}", "check that any target of these images counts"
                )
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Return all that a new trainer of the same recipe and data needs to go on, bit for bit on a CPU."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
            "step": self._step,
            "epoch_start": self._epoch_start,
            "technique_generator": self._technique_generator.get_state(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self.network.load_state_dict(state["network"])
        # torch would keep the tensors that are given and change them at the next step.
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self._step = state["epoch"], state["step"]
        self._epoch_start = state["epoch_start"]
        self._technique_generator.set_state(state["technique_generator"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"]:
            torch.cuda.set_rng_state_all(state["cuda_rng"])

    def _take_step(self, images: Tensor, targets: Tensor) -> Tensor:
        images, weighted = self.recipe.batch_transform(images, targets, self._technique_generator)
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.network(images)
        loss = torch.stack([weight * self._loss(logits, target) for weight, target in weighted]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        return loss.detach()

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        """Evaluate inside: norms use running averages, and the optimizer its final weights.

        An optimizer that keeps a second set of weights has methods ``eval()`` and ``train()``, the convention of
        schedule-free optimizers. They switch to the weights that are to be judged, and back.
        """
        self.network.eval()
        if hasattr(self.optimizer, "eval"):
            self.optimizer.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.network.train()
            if hasattr(self.optimizer, "train"):
                self.optimizer.train()


def train(
    trainer: Trainer,
    meter: Meter,
    metric: Metric,
    *,
    training_energy: TrainingEnergy = "all",
    evaluate_every: int = 1,
    progress: ProgressCallback = silent,
) -> Training:
    """Train to the end and measure what it costs.

    Parameters
    ----------
    trainer
        What to train.
    meter
        Measures the training work of each epoch and, apart from it, the evaluations.
    metric
        By which the best epoch is chosen.
    training_energy
        How the training's energy is measured; see `greenbench.spec.scale.Scale`.
    evaluate_every
        Epochs between evaluations; the last epoch is always evaluated.
    progress
        Called after every step.
    """
    recipe, steps_per_epoch = trainer.recipe, trainer.steps_per_epoch
    sizes = [
        scaled_size(recipe.image_size, recipe.size_factor(epoch, recipe.epochs))
        for epoch in range(recipe.epochs)
    ]
    stages = [_stage(size) for size in sizes]
    energy = _energy_meter(meter, training_energy, stages, steps_per_epoch)
    curve: list[Epoch] = []
    evaluation: list[Reading] = []
    train_metrics: dict[str, float] | None = None
    diverged_at_step: int | None = None

    for epoch, stage in enumerate(stages):
        text = f"epoch {epoch + 1}/{recipe.epochs}"
        if curve and curve[-1].validation:
            text += f", {metric.title} {curve[-1].validation[metric.name]:.3f}"
        learning_rate = float(trainer.schedule.get_last_lr()[0])
        losses: list[Tensor] = []
        start = time.monotonic()
        with energy.stage(stage) as step_done:
            for loss in trainer.epoch_steps():
                losses.append(loss)
                step_done()
                progress(
                    Progress(epoch * steps_per_epoch + len(losses), recipe.epochs * steps_per_epoch, text)
                )
        # One look per epoch: asking for every step's loss would make a GPU wait at every step.
        epoch_losses = torch.stack(losses).double().cpu()
        seconds = time.monotonic() - start
        not_finite = (~epoch_losses.isfinite()).nonzero()
        if len(not_finite):
            diverged_at_step = epoch * steps_per_epoch + int(not_finite[0]) + 1

        last = epoch == recipe.epochs - 1
        validation = None
        if diverged_at_step is None and (last or (epoch + 1) % evaluate_every == 0):
            with meter.window(f"evaluation {epoch + 1}") as window:
                validation = trainer.evaluate("validation")
                if last and validation is not None:
                    train_metrics = trainer.evaluate("train")
            evaluation.append(window.reading)
            if validation is None or (last and train_metrics is None):
                diverged_at_step, validation = (epoch + 1) * steps_per_epoch, None
        curve.append(
            Epoch(
                epoch=epoch + 1,
                image_size=sizes[epoch],
                learning_rate=learning_rate,
                train_loss=None if len(not_finite) else float(epoch_losses.mean()),
                seconds=seconds,
                energy=energy.latest,
                validation=validation,
            )
        )
        if diverged_at_step is not None:
            break

    best = _best(curve, metric)
    return Training(
        status="finished" if diverged_at_step is None else "diverged",
        steps=len(curve) * steps_per_epoch,
        diverged_at_step=diverged_at_step,
        train=train_metrics,
        validation=curve[-1].validation,
        best=best[0] if best else None,
        best_epoch=best[1] if best else None,
        train_seconds=math.fsum(entry.seconds for entry in curve),
        evaluation_seconds=math.fsum(reading.seconds for reading in evaluation),
        # What a diverged run would have cost in full is not known: its figure is what was spent.
        energy=energy.reading if diverged_at_step is None else energy.spent,
        evaluation_energy=total(evaluation),
        curve=tuple(curve),
    )


def _best(curve: list[Epoch], metric: Metric) -> tuple[float, int] | None:
    """Return the best value and its epoch, the first of equals."""
    evaluated = [(entry.validation[metric.name], entry.epoch) for entry in curve if entry.validation]
    sign = 1 if metric.better == "higher" else -1
    return max(evaluated, key=lambda pair: (sign * pair[0], -pair[1]), default=None)


def _stage(size: Size) -> str:
    return f"training at {size[0]}x{size[1]} px"


def _energy_meter(
    meter: Meter, method: TrainingEnergy, stages: list[str], steps_per_epoch: int
) -> EpochEnergy | SteadyEnergy:
    """Return what measures the epochs whose work is named by `stages`."""
    if method == "steady":
        return SteadyEnergy(meter, {name: count * steps_per_epoch for name, count in Counter(stages).items()})
    same_work = len(set(stages)) == 1
    return EpochEnergy(meter, len(stages), MEASURED_EPOCHS if method == "epochs" and same_work else None)
