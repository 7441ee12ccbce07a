"""What a case can end in: a training, an inference, the cost of a training, a row of a table, a failure, or nothing to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from greenbench.energy.reading import Reading
from greenbench.energy.sums import total
from greenbench.spec.recipe import Size


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run.

    Attributes
    ----------
    epoch
        Counted from 1.
    image_size
        Of its training images; None for a task without images.
    learning_rate
        At its first step.
    train_loss
        Mean over its steps; None where one was not finite.
    seconds
        Time of its training work, without evaluation.
    energy
        Of its training work.
    validation
        Metrics on validation images after it, or None where it was not evaluated.
    """

    epoch: int
    image_size: Size | None
    learning_rate: float
    train_loss: float | None
    seconds: float
    energy: Reading
    validation: dict[str, float] | None = None


@dataclass(frozen=True)
class Training:
    """What one training run gave and cost.

    Attributes
    ----------
    status
        ``finished``, or ``diverged`` where a loss was not finite, or weights or outputs were not in an evaluation; then there
        is no final metric.
    steps
        Optimizer steps taken.
    diverged_at_step
        The first step (from 1) whose loss was not finite, or the last one before such an evaluation.
    train, validation
        Metrics after the last epoch. ``train`` is measured on evenly spaced training images, as many as there are
        validation images, without augmentation. The tables show these.
    best, best_epoch
        Best value of the workload's metric on validation images, and its epoch. Picked with knowledge of these
        images, so it flatters.
    train_seconds, evaluation_seconds
        Time of training and of evaluation.
    energy
        Of the training work alone, for the whole planned run (for what was run, if it diverged).
    evaluation_energy
        Of all evaluations.
    curve
        One entry for each epoch.
    teacher
        What the training of a teacher cost; `train_seconds` and `energy` hold it too. None without one.
    warm_up
        What it cost to compile, before the first step; `train_seconds` and `energy` do not hold it. None without.
    resumed
        How often it was interrupted and gone on with. Times and energies are those of all its sittings.
    remarks
        What went wrong with its checkpoints, in sentences.
    """

    status: Literal["finished", "diverged"]
    steps: int
    train_seconds: float
    evaluation_seconds: float
    energy: Reading
    evaluation_energy: Reading
    curve: tuple[Epoch, ...]
    diverged_at_step: int | None = None
    train: dict[str, float] | None = None
    validation: dict[str, float] | None = None
    best: float | None = None
    best_epoch: int | None = None
    teacher: Reading | None = None
    warm_up: Reading | None = None
    resumed: int = 0
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Forward passes of one batch size.

    Attributes
    ----------
    batch_size
        Images per pass.
    passes
        Timed passes, over all repeats.
    latency_ms
        Median time of one pass.
    latency_low_ms, latency_high_ms
        Its quartiles over all passes.
    repeat_medians_ms
        The median of each repeat.
    energy_per_image
        Energy of one image.
    """

    batch_size: int
    passes: int
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    repeat_medians_ms: tuple[float, ...]
    energy_per_image: Reading


@dataclass(frozen=True)
class Inference:
    """What a network costs at inference.

    Attributes
    ----------
    input_size
        Height and width of the images; for other inputs the shape of one.
    params
        Registered parameters.
    conv_macs, full_macs
        Multiply-adds of one image, in the study's convention and in full (see `greenbench.execute.counts`).
    single, large
        Passes of a single image, and of a batch that fills the device.
    """

    input_size: tuple[int, ...]
    params: int
    conv_macs: int
    full_macs: int
    single: Batch
    large: Batch


@dataclass(frozen=True)
class Cost:
    """What a whole training would cost, from a part of it.

    Attributes
    ----------
    steps, measured_steps
        Optimizer steps of the whole training, its teacher's too, and how many of them were taken.
    target, known
        Half-width of a step's 95 % interval, as a fraction, at which measuring ends; whether that was reached in time and
        energy, or else the time for it ran out.
    images_per_s
        Images trained on in a second.
    train_seconds, train_half_width_s
        Time of all steps, and half of its 95 % interval.
    energy
        Of all steps.
    evaluation
        Time and energy of all evaluations, and of what is made of the trained network.
    setup
        Time and energy of reading data and building the network, as it was.
    warm_up
        What it cost to compile. None without.
    """

    steps: int
    measured_steps: int
    target: float
    known: bool
    images_per_s: float
    train_seconds: float
    train_half_width_s: float
    energy: Reading
    evaluation: Reading
    setup: Reading
    warm_up: Reading | None = None

    @property
    def whole(self) -> Reading:
        """Time and energy of the whole case."""
        steps = replace(self.energy, seconds=self.train_seconds)
        return total([steps, self.evaluation, self.setup, *([self.warm_up] if self.warm_up else [])])


@dataclass(frozen=True)
class Point:
    """A run of a table after one of its epochs; None where the table has no value.

    Attributes
    ----------
    epoch
        As the table counts.
    score
        After it; a fraction where the metric's unit is ``%``.
    energy_j, seconds, steps
        What was spent since the start of the run.
    """

    epoch: int
    score: float | None = None
    energy_j: float | None = None
    seconds: float | None = None
    steps: float | None = None


@dataclass(frozen=True)
class Imported:
    """What a table made elsewhere says of one run.

    Attributes
    ----------
    line
        Line of the file, from 1: of the run's last epoch where it has several.
    score
        After the last epoch, as `Point.score`.
    energy_j, seconds, steps
        Of the whole run.
    reasons
        Why a value is None, by its field.
    curve
        One entry for each epoch, in order; empty where the table has no epochs.
    """

    line: int
    score: float | None = None
    energy_j: float | None = None
    seconds: float | None = None
    steps: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()


LOST = "process"
"""The stage of a failure where the case's process ended without an answer; its traceback is what was printed at the end."""


@dataclass(frozen=True)
class Failure:
    """Why a case gave no result.

    Attributes
    ----------
    stage
        What was being done: ``recipe``, ``data``, ``meter``, ``training``, ``inference``, ``cost``, or
        ``process`` where that ended.
    error
        Type and message, in one line.
    next_step
        What to do about it.
    traceback
        Python's, for whoever mends it; of a process that ended, the last lines that it printed.
    """

    stage: str
    error: str
    next_step: str
    traceback: str = ""


@dataclass(frozen=True)
class Skipped:
    """A technique that has nothing to do on this workload or network.

    Attributes
    ----------
    reason
        In a sentence.
    """

    reason: str


Result = Training | Inference | Cost | Imported | Failure | Skipped
