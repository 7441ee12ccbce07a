"""The one training: a trainer and a meter in, a plain result out."""

from __future__ import annotations

import math
import time
from collections import Counter

import torch
from torch import Tensor

from greenbench.energy import Meter, Reading, total
from greenbench.energy.extrapolate.epochs import EpochEnergy
from greenbench.energy.extrapolate.steady import SteadyEnergy
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.execute.trainer import Trainer as Trainer
from greenbench.records.results import Epoch, Training
from greenbench.spec.recipe import Size, scaled_size
from greenbench.spec.scale import MEASURED_EPOCHS, TrainingEnergy
from greenbench.spec.workload import Metric


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
        recipe.image_size and scaled_size(recipe.image_size, recipe.size_factor(epoch, recipe.epochs))
        for epoch in range(recipe.epochs)
    ]
    stages = [_stage(size) for size in sizes]
    energy = _energy_meter(meter, training_energy, stages, steps_per_epoch)
    curve: list[Epoch] = []
    evaluation: list[Reading] = []
    train_metrics: dict[str, float] | None = None
    diverged_at_step: int | None = None
    teacher = _train_teacher(trainer, meter, progress)
    warm_up = None
    if recipe.warm_up:
        with meter.window("warm-up") as window:
            trainer.warm_up()
        warm_up = window.reading

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
    # What a diverged run would have cost in full is not known: its figure is what was spent.
    own = energy.reading if diverged_at_step is None else energy.spent
    return Training(
        status="finished" if diverged_at_step is None else "diverged",
        steps=len(curve) * steps_per_epoch,
        diverged_at_step=diverged_at_step,
        train=train_metrics,
        validation=curve[-1].validation,
        best=best[0] if best else None,
        best_epoch=best[1] if best else None,
        train_seconds=math.fsum([entry.seconds for entry in curve] + ([teacher.seconds] if teacher else [])),
        evaluation_seconds=math.fsum(reading.seconds for reading in evaluation),
        energy=total([teacher, own]) if teacher else own,
        evaluation_energy=total(evaluation),
        curve=tuple(curve),
        teacher=teacher,
        warm_up=warm_up,
    )


def _train_teacher(trainer: Trainer, meter: Meter, progress: ProgressCallback) -> Reading | None:
    if not trainer.teacher_steps:
        return None
    with meter.window("training of the teacher") as window:
        for step, _loss in enumerate(trainer.train_teacher(), start=1):
            progress(Progress(step, trainer.teacher_steps, "teacher"))
    return window.reading


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
