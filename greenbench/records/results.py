"""What measuring gives, as plain data: the results of a training run and of an inference profile.

Imports no torch, so that reports are made from records without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from greenbench.energy import Reading


@dataclass(frozen=True)
class Progress:
    """Where a long run stands: `done` of `steps` steps, and what was last found out."""

    done: int
    steps: int
    text: str


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class Epoch:
    """One epoch of a run.

    Attributes
    ----------
    epoch
        Counted from 1.
    image_size
        Height and width of its training images in pixels.
    learning_rate
        At its first step.
    train_loss
        Mean over its steps; None where one was not finite.
    seconds
        Time of its training work, without evaluation.
    heldout
        Metrics on held-out images after it, or None where it was not evaluated.
    """

    epoch: int
    image_size: tuple[int, int]
    learning_rate: float
    train_loss: float | None
    seconds: float
    heldout: dict[str, float] | None


@dataclass(frozen=True)
class TrainingResult:
    """What one training run gave and cost.

    Attributes
    ----------
    status
        ``finished``, or ``diverged`` where a loss was not finite; then no metric is given.
    metric
        Name of the metric that the tables show.
    steps
        Optimizer steps taken.
    diverged_at_step
        The first step (from 1) whose loss was not finite.
    train, heldout
        Metrics in 0..1 after the last epoch. ``train`` is measured on evenly spaced training images, as
        many as there are held-out ones, without augmentation.
    best_heldout, best_epoch
        The best value of `metric` on held-out images and its epoch. Picked with knowledge of these images,
        so it flatters; the tables show the last epoch.
    train_seconds, evaluation_seconds
        Time of training and of evaluation.
    energy
        Of the training work alone, for the whole planned run (for what was run, if it diverged).
    evaluation_energy
        Of all evaluations.
    curve
        One entry per epoch.
    """

    status: Literal["finished", "diverged"]
    metric: str
    steps: int
    diverged_at_step: int | None
    train: dict[str, float] | None
    heldout: dict[str, float] | None
    best_heldout: float | None
    best_epoch: int | None
    train_seconds: float
    evaluation_seconds: float
    energy: Reading
    evaluation_energy: Reading
    curve: tuple[Epoch, ...]


@dataclass(frozen=True)
class BatchProfile:
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
        Energy of one image, and how it was measured.
    """

    batch_size: int
    passes: int
    latency_ms: float
    latency_low_ms: float
    latency_high_ms: float
    repeat_medians_ms: tuple[float, ...]
    energy_per_image: Reading


@dataclass(frozen=True)
class InferenceResult:
    """What a network costs at inference.

    Attributes
    ----------
    input_size
        Height and width in pixels of the random images.
    params
        Registered parameters.
    conv_macs, full_macs
        Multiply-adds of one image, in the study's convention and in full (see `greenbench.execute.counts`).
    batches
        One profile for each batch size, that of single images first.
    """

    input_size: tuple[int, int]
    params: int
    conv_macs: int
    full_macs: int
    batches: tuple[BatchProfile, ...]
