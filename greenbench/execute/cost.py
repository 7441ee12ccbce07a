"""What a whole training would cost, from seconds of its steps and of its evaluation.

Steps of one training are alike, so they are measured in blocks until time and energy of a step are known
(`greenbench.energy.extrapolate.steady`). What differs is measured by itself: the first steps, the start of an epoch,
each size of images, a teacher, a network that compiles itself, evaluation, and what is made of the trained network.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor

from greenbench.data.structures import tensors_in
from greenbench.energy import Meter, Reading, total
from greenbench.energy.extrapolate.steady import SteadyEnergy, SteadySettings
from greenbench.errors import UserError
from greenbench.execute.inference import synchronize
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.execute.trainer import Trainer, finished
from greenbench.records.results import Cost
from greenbench.spec.recipe import Batch, as_trained

STEADY = {
    "cpu": SteadySettings(warmup_s=0.5, block_s=0.1, limit_s=30.0, timed=True),
    "cuda": SteadySettings(warmup_s=3.0, block_s=0.25, limit_s=12.0, timed=True),
}
"""By kind of device: how long the steps of one kind are measured. A GPU takes seconds to reach its clock and power."""

EVALUATION_S = 2.0
"""Evaluation is measured for so long; the rest of the images cost as much."""

RESTARTS = 3
"""Epochs that are begun to see what beginning one takes, where fewer were on the way."""

AHEAD = 4
"""Steps that a GPU may lag behind, so that a block ends soon after its last step."""


@dataclass(frozen=True)
class _Stage:
    """Steps of one kind: those with images of one size, of the training or of its teacher's."""

    name: str
    trainer: Trainer
    epoch: int
    epochs: int

    @property
    def steps(self) -> int:
        """How many of them the whole training has."""
        return self.epochs * self.trainer.steps_per_epoch


@dataclass(frozen=True)
class _Found:
    """What was found out about one kind of steps."""

    steps: int
    seconds: float
    half_width_s: float
    energy: Reading
    known: bool


def measure_cost(
    trainer: Trainer,
    meter: Meter,
    setup: Reading,
    *,
    device: torch.device,
    evaluate_every: int = 1,
    progress: ProgressCallback = silent,
) -> Cost:
    """Take as many steps as tell what all of them cost, and evaluate as many images.

    The trainer is at no point of its run afterwards.

    Parameters
    ----------
    trainer
        What would be trained.
    meter
        Measures blocks of steps.
    setup
        What it took to come so far.
    device
        Where it trains.
    evaluate_every
        Epochs between evaluations.
    progress
        Called after every step.
    """
    evaluation = _evaluation(trainer, meter, device, evaluate_every)  # while no weight is NaN
    found = [_measured(stage, meter, device, progress) for stage in _teachers(trainer)]
    trainer.adopt_teacher()
    warm_up = None
    if trainer.recipe.warm_up:
        with meter.window("warm-up") as window:
            trainer.warm_up()
        warm_up = window.reading
    stages = _stages(trainer)
    found += [_measured(stage, meter, device, progress) for stage in stages]
    seconds = math.fsum(one.seconds for one in found)
    own_seconds = math.fsum(one.seconds for one in found[-len(stages) :])
    return Cost(
        steps=trainer.steps + trainer.teacher_steps,
        measured_steps=sum(one.steps for one in found),
        target=STEADY[device.type].target,
        known=all(one.known for one in found),
        images_per_s=_images_per_epoch(trainer) * trainer.recipe.epochs / own_seconds,
        train_seconds=seconds,
        train_half_width_s=math.hypot(*(one.half_width_s for one in found)),
        energy=_sum([one.energy for one in found]),
        evaluation=evaluation,
        setup=setup,
        warm_up=warm_up,
    )


def _teachers(trainer: Trainer) -> Iterator[_Stage]:
    """Yield the stages of the training of a teacher, and before them those of its own."""
    if trainer.teaching is not None:
        yield from _teachers(trainer.teaching)
        trainer.teaching.adopt_teacher()
        yield from _stages(trainer.teaching, "teacher, ")


def _stages(trainer: Trainer, prefix: str = "") -> list[_Stage]:
    epochs = trainer.recipe.epochs
    factors = [trainer.recipe.size_factor(epoch, epochs) for epoch in range(epochs)]
    return [
        _Stage(f"{prefix}steps at {factor:.4g} of the size", trainer, factors.index(factor), count)
        for factor, count in Counter(factors).items()
    ]


def _measured(stage: _Stage, meter: Meter, device: torch.device, progress: ProgressCallback) -> _Found:
    energy = SteadyEnergy(meter, {stage.name: stage.steps}, STEADY[device.type])
    blocks = energy.stages[stage.name]
    losses = _not_far_ahead(stage.trainer.steps_like(stage.epoch))
    looked, known = 0, False
    with energy.stage(stage.name) as step_done:
        for step, _loss in enumerate(islice(losses, stage.steps), start=1):
            step_done()
            progress(Progress(step, stage.steps, stage.name))
            if blocks.block_count != looked:
                looked, known = blocks.block_count, energy.known(stage.name)
            if known:
                break
    steps = blocks.step_count
    step_s, half_width_s = blocks.seconds_per_step
    left = stage.steps - steps
    # What was run counts as it ran: the first steps are slower than all others.
    seconds = blocks.seconds + left * step_s
    begun = math.ceil(steps / stage.trainer.steps_per_epoch)
    if begun <= RESTARTS < left:
        seconds += (stage.epochs - begun) * _start_s(stage, meter, device, step_s)
    return _Found(
        steps,
        seconds,
        left * half_width_s,
        blocks.estimate(stage.steps).scaled(seconds / (stage.steps * step_s)),
        left <= 0 or half_width_s <= STEADY[device.type].target * step_s,
    )


def _start_s(stage: _Stage, meter: Meter, device: torch.device, step_s: float) -> float:
    """Return what the beginning of an epoch takes beside its first step."""
    found = []
    for _ in range(RESTARTS):
        synchronize(device)
        start = meter.clock.now()
        next(stage.trainer.steps_like(stage.epoch))
        synchronize(device)
        found.append(meter.clock.now() - start)
    return max(0.0, statistics.median(found) - step_s)


def _not_far_ahead(losses: Iterator[Tensor]) -> Iterator[Tensor]:
    under_way: deque[torch.cuda.Event] = deque()
    for loss in losses:
        if loss.is_cuda:
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
            under_way.append(event)
            if len(under_way) > AHEAD:
                under_way.popleft().synchronize()
        yield loss


def _evaluation(trainer: Trainer, meter: Meter, device: torch.device, evaluate_every: int) -> Reading:
    """Return what all evaluations cost: of validation images, and in the end of as many training images."""
    epochs, data = trainer.recipe.epochs, trainer.data
    count = sum(epoch == epochs or epoch % evaluate_every == 0 for epoch in range(1, epochs + 1))
    images = count * data.size("validation") + min(data.size("train"), data.size("validation"))
    seen = 0

    def some() -> Iterator[Batch]:
        nonlocal seen
        until = meter.clock.now() + EVALUATION_S
        for inputs, targets in data.evaluation_batches("validation"):
            yield inputs, targets
            synchronize(device)
            seen += len(tensors_in(inputs)[0])
            if meter.clock.now() >= until:
                return

    trainer.add_to(data.score(), islice(data.evaluation_batches("validation"), 1))
    with meter.window("evaluation") as window:
        trainer.add_to(data.score(), some())
    if not seen:
        raise UserError("no validation image was evaluated", "let evaluation_batches yield some")
    evaluation = window.reading.scaled(images / seen)
    if trainer.recipe.finish is as_trained:
        return evaluation
    with meter.window("finish") as window:
        finished(trainer.recipe, trainer.network)
    return total([evaluation, window.reading.scaled(2)])  # once for each split


def _images_per_epoch(trainer: Trainer) -> int:
    return min(trainer.data.size("train"), trainer.steps_per_epoch * trainer.recipe.batch_size)


def _sum(readings: list[Reading]) -> Reading:
    whole = total(readings)
    if whole.energy_j is None or len(readings) == 1:
        return whole
    return replace(whole, reason="; ".join(reading.reason or "" for reading in readings))
