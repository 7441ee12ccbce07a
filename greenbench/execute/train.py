"""The one training: a trainer and a meter in, a plain result out."""

from __future__ import annotations

import math
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from greenbench.energy import Meter, Reading, total
from greenbench.energy.extrapolate.epochs import EpochEnergy
from greenbench.energy.extrapolate.mended import mended
from greenbench.energy.extrapolate.steady import SteadyEnergy
from greenbench.energy.extrapolate.stretches import Stretches
from greenbench.errors import Interrupted
from greenbench.execute.checkpoint import Checkpoints
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.execute.seeds import random_states, set_random_states
from greenbench.execute.trainer import Trainer as Trainer
from greenbench.records.results import Epoch, Training
from greenbench.spec.recipe import Size, scaled_size
from greenbench.spec.scale import MEASURED_EPOCHS, TrainingEnergy
from greenbench.spec.workload import PART, Metric


def train(
    trainer: Trainer,
    meter: Meter,
    metric: Metric,
    *,
    training_energy: TrainingEnergy = "all",
    evaluate_every: int = 1,
    progress: ProgressCallback = silent,
    checkpoints: Checkpoints | None = None,
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
    checkpoints
        Where the training is saved on its way, and from where it goes on; None for nowhere.

    Raises
    ------
    Interrupted
        If a signal asked it to end.
    """
    course = _Course(trainer, meter, metric, training_energy, evaluate_every, progress, checkpoints)
    course.run()
    return course.result()


class _Course:
    """A training on its way: what it has found so far, which can be saved with the trainer's state."""

    def __init__(
        self,
        trainer: Trainer,
        meter: Meter,
        metric: Metric,
        training_energy: TrainingEnergy,
        evaluate_every: int,
        progress: ProgressCallback,
        checkpoints: Checkpoints | None,
    ) -> None:
        self.trainer, self.meter, self.metric = trainer, meter, metric
        self.evaluate_every, self.progress, self.checkpoints = evaluate_every, progress, checkpoints
        recipe = trainer.recipe
        self.sizes = [
            recipe.image_size and scaled_size(recipe.image_size, recipe.size_factor(epoch, recipe.epochs))
            for epoch in range(recipe.epochs)
        ]
        self.stages = [_stage(size) for size in self.sizes]
        self.energy = _energy_meter(meter, training_energy, self.stages, trainer.steps_per_epoch)
        self.teaching = Stretches(meter, "training of the teacher")
        self.curve: list[Epoch] = []
        self.evaluation: list[Reading] = []
        self.warm_up: list[Reading] = []
        self.train_metrics: dict[str, float] | None = None
        self.diverged_at_step: int | None = None
        self.losses: list[Tensor] = []
        """Of the epoch that is under way."""
        self.epoch_s = 0.0
        """Training time of it."""
        self.learning_rate = 0.0
        """At its first step."""

    def state_dict(self) -> dict[str, Any]:
        """Return all that another one needs to go on."""
        return {
            "trainer": self.trainer.state_dict(),
            "energy": self.energy.state_dict(),
            "teaching": self.teaching.readings,
            "curve": self.curve,
            "evaluation": self.evaluation,
            "warm_up": self.warm_up,
            "losses": torch.stack(self.losses).cpu() if self.losses else torch.empty(0),
            "epoch_s": self.epoch_s,
            "learning_rate": self.learning_rate,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self.trainer.load_state_dict(state["trainer"])
        self.energy.load_state_dict(state["energy"])
        self.teaching.readings = state["teaching"]
        self.curve, self.evaluation, self.warm_up = state["curve"], state["evaluation"], state["warm_up"]
        self.losses = list(state["losses"].to(self.trainer.device))
        self.epoch_s, self.learning_rate = state["epoch_s"], state["learning_rate"]

    def run(self) -> None:
        """Train what is left, to the end or until it diverges."""
        state = self.checkpoints.load() if self.checkpoints is not None else None
        if state is not None:
            self.load_state_dict(state)
        with self.checkpoints.requests.waiting() if self.checkpoints is not None else nullcontext():
            self._run()

    def _run(self) -> None:
        self._train_teacher()
        self._save_if_due(self.energy)
        if self.trainer.recipe.warm_up and self.trainer.epoch == len(self.curve):
            with self.meter.window("warm-up") as window:
                self.trainer.warm_up()
            self.warm_up.append(window.reading)
        while len(self.curve) < len(self.stages) and self.diverged_at_step is None:
            if self.trainer.epoch == len(self.curve):
                self._train_epoch()
                self._save_if_due(self.energy)
            self._end_epoch()

    def _train_teacher(self) -> None:
        trainer = self.trainer
        left = trainer.teacher_steps_left
        if not left:
            trainer.adopt_teacher()
            return
        with self.teaching.measured():
            for step, _loss in enumerate(trainer.train_teacher(), start=trainer.teacher_steps - left + 1):
                self.progress(Progress(step, trainer.teacher_steps, "teacher"))
                self.teaching.step_done()
                if step < trainer.teacher_steps:  # its last epoch is not over yet
                    self._save_if_due(self.teaching)

    def _train_epoch(self) -> None:
        """Take the steps that are left of an epoch."""
        trainer, epochs = self.trainer, len(self.stages)
        epoch = len(self.curve)
        text = f"epoch {epoch + 1}/{epochs}"
        if self.curve and self.curve[-1].validation:
            text += f", {self.metric.title} {self.curve[-1].validation[self.metric.name]:.3f}"
        if not self.losses:
            self.learning_rate = float(trainer.schedule.get_last_lr()[0])
        earlier_s, start_s = self.epoch_s, time.monotonic()
        with self.energy.stage(self.stages[epoch]) as step_done:
            for loss in trainer.epoch_steps():
                self.losses.append(loss)
                step_done()
                done = epoch * trainer.steps_per_epoch + len(self.losses)
                self.progress(Progress(done, epochs * trainer.steps_per_epoch, text))
                self.epoch_s = earlier_s + time.monotonic() - start_s
                if len(self.losses) < trainer.steps_per_epoch:
                    start_s += self._save_if_due(self.energy)
        # One look per epoch: asking for every step's loss would make a GPU wait at every step.
        self.losses = list(torch.stack(self.losses).cpu())
        self.epoch_s = earlier_s + time.monotonic() - start_s

    def _end_epoch(self) -> None:
        """Evaluate, where it is time for that, and add a trained epoch to the curve."""
        epoch, steps = len(self.curve), self.trainer.steps_per_epoch
        epoch_losses = torch.stack(self.losses).double()
        not_finite = (~epoch_losses.isfinite()).nonzero()
        if len(not_finite):
            self.diverged_at_step = epoch * steps + int(not_finite[0]) + 1
        last = epoch == len(self.stages) - 1
        validation = None
        if self.diverged_at_step is None and (last or (epoch + 1) % self.evaluate_every == 0):
            validation = self._evaluate(last)
            if validation is None or (last and self.train_metrics is None):
                self.diverged_at_step, validation = (epoch + 1) * steps, None
        self.curve.append(
            Epoch(
                epoch=epoch + 1,
                image_size=self.sizes[epoch],
                learning_rate=self.learning_rate,
                train_loss=None if len(not_finite) else float(epoch_losses.mean()),
                seconds=self.epoch_s,
                energy=self.energy.latest,
                validation=validation,
            )
        )
        self.losses, self.epoch_s = [], 0.0

    def _evaluate(self, last: bool) -> dict[str, float] | None:
        """Return the metrics on validation images; a signal that comes meanwhile ends it."""
        requests = self.checkpoints.requests if self.checkpoints is not None else None
        drawn = random_states()
        try:
            with (
                requests.interrupting() if requests is not None else nullcontext(),
                self.meter.window(f"evaluation {len(self.curve) + 1}") as window,
            ):
                validation = self.trainer.evaluate("validation")
                if last and validation is not None:
                    self.train_metrics = self.trainer.evaluate("train")
        except Interrupted:
            if self.checkpoints is not None:
                self.evaluation.append(window.reading)
                set_random_states(drawn)
                self.checkpoints.write(self.state_dict())
            raise
        self.evaluation.append(window.reading)
        return validation

    def _save_if_due(self, measuring: Stretches | EpochEnergy | SteadyEnergy) -> float:
        """Save the training, where it is time for that, unmeasured; return the seconds that it took."""
        if self.checkpoints is None or not self.checkpoints.due:
            return 0.0
        start_s = time.monotonic()
        with measuring.paused():
            self.checkpoints.write(self.state_dict())
        return time.monotonic() - start_s

    def result(self) -> Training:
        """Return what came of it."""
        curve = self._curve()
        best = _best(curve, self.metric)
        # What a diverged run would have cost in full is not known: its figure is what was spent.
        own = self.energy.reading if self.diverged_at_step is None else self.energy.spent
        teacher = total(mended(self.teaching.readings)) if self.teaching.readings else None
        checkpoints = self.checkpoints
        return Training(
            status="finished" if self.diverged_at_step is None else "diverged",
            steps=len(curve) * self.trainer.steps_per_epoch,
            diverged_at_step=self.diverged_at_step,
            train=self.train_metrics,
            validation=curve[-1].validation,
            best=best[0] if best else None,
            best_epoch=best[1] if best else None,
            train_seconds=math.fsum(
                [entry.seconds for entry in curve] + ([teacher.seconds] if teacher else [])
            ),
            evaluation_seconds=math.fsum(reading.seconds for reading in self.evaluation),
            energy=total([teacher, own]) if teacher else own,
            evaluation_energy=total(mended(self.evaluation)),
            curve=tuple(curve),
            teacher=teacher,
            warm_up=total(self.warm_up) if self.warm_up else None,
            resumed=checkpoints.resumed if checkpoints is not None else 0,
            remarks=tuple(checkpoints.remarks) if checkpoints is not None else (),
        )

    def _curve(self) -> list[Epoch]:
        """Return the curve; windows without energy were mended by what came after them.

        Parts of the score, such as its classes, stay in the last epoch alone: records of many epochs would be of them.
        """
        measured = [*self.energy.epochs, *(entry.energy for entry in self.curve[len(self.energy.epochs) :])]
        entries = [replace(entry, energy=energy) for entry, energy in zip(self.curve, measured, strict=False)]
        return [self._without_parts(one) for one in entries[:-1]] + entries[-1:]

    def _without_parts(self, entry: Epoch) -> Epoch:
        if entry.validation is None:
            return entry
        prefix = f"{self.metric.name}{PART}"
        kept = {name: value for name, value in entry.validation.items() if not name.startswith(prefix)}
        return replace(entry, validation=kept)


def _best(curve: list[Epoch], metric: Metric) -> tuple[float, int] | None:
    """Return the best value and its epoch, the first of equals."""
    evaluated = [(entry.validation[metric.name], entry.epoch) for entry in curve if entry.validation]
    sign = 1 if metric.better == "higher" else -1
    return max(evaluated, key=lambda pair: (sign * pair[0], -pair[1]), default=None)


def _stage(size: Size | None) -> str:
    return f"training at {size[0]}x{size[1]} px" if size else "training"


def _energy_meter(
    meter: Meter, method: TrainingEnergy, stages: list[str], steps_per_epoch: int
) -> EpochEnergy | SteadyEnergy:
    """Return what measures the epochs whose work is named by `stages`."""
    if method == "steady":
        return SteadyEnergy(meter, {name: count * steps_per_epoch for name, count in Counter(stages).items()})
    same_work = len(set(stages)) == 1
    return EpochEnergy(meter, len(stages), MEASURED_EPOCHS if method == "epochs" and same_work else None)
