"""The scales: how long the study runs and how it is measured. What a data set adds lies in its workload's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

from greenbench.errors import UserError

TrainingEnergy = Literal["all", "epochs", "steady"]
TRAINING_ENERGIES: tuple[TrainingEnergy, ...] = get_args(TrainingEnergy)
Inputs = Literal["stated", "fitted"]
INPUTS: tuple[Inputs, ...] = get_args(Inputs)
"""Sizes of the images at inference: as the study states them, or those that its FLOPs fit."""

Weights = Literal["initial", "trained"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)
TRAINED: Weights = "trained"
"""Weights of the networks at inference: as they are built, or those that a training of the same case gave."""

Vary = Literal["all", "order", "init", "augmentation"]
VARIES: tuple[Vary, ...] = get_args(Vary)
"""What the seed of a training decides: all of it, or one part of it, the others being those of seed 0. ``order`` is that
of the data, ``init`` are the first weights, ``augmentation`` is all else that is drawn at random."""

VARY_ALL: Vary = "all"

_Name = TypeVar("_Name", bound=str)

SMALLEST_SCALE = "smoke"
DEFAULT_OUT = "reports/local"
"""Where records go unless another folder is given."""

BASELINES = ".greenbench/baselines"
"""Records that later runs are held against, by name; below the current folder, for users to commit."""

STUDY = "paper"
"""What stands for the published study where a baseline is named."""

MEASURED_EPOCHS = 10
"""What ``epochs`` measures (section 3.3 of the study)."""


@dataclass(frozen=True)
class InferenceScale:
    """How a network's forward pass is measured.

    Attributes
    ----------
    passes
        Timed passes of a single image in each repeat. They mostly measure what it costs to start the layers.
    large_batch_passes
        Timed passes of the workload's large batch in each repeat.
    min_seconds
        A repeat goes on until it has lasted this long, so that its energy can be measured.
    repeats
        Independent repeats; their spread is shown.
    warmup_s
        Seconds of untimed passes before each repeat.
    inputs
        One of `INPUTS`.
    weights
        One of `WEIGHTS`.
    """

    passes: int
    large_batch_passes: int
    min_seconds: float
    repeats: int
    warmup_s: float
    inputs: Inputs = "stated"
    weights: Weights = "initial"


@dataclass(frozen=True)
class Scale:
    """One scale of the study.

    Attributes
    ----------
    name
        As in ``--green-scale``. Workloads that have a setting of this name take part.
    training_energy
        How a training's energy is measured. ``all``: every epoch. ``epochs``: the first ten, scaled to the run, as in
        section 3.3 of the study. ``steady``: blocks of steps until the energy of a step is known to 1 %, scaled to
        the run. Where images change size during the run, ``epochs`` measures all epochs, as the study did, and
        ``steady`` measures each size by itself.
    idle_s
        Seconds for which idle power is measured before and after each case; 0 does not measure it.
    inference
        How forward passes are measured.
    seeds
        Runs of each case, with seeds 0, 1, ...
    vary
        What they decide in a training: one of `VARIES`.
    dry_run
        Whether each pair takes a step and an evaluation that are not kept before the first case: where a training takes
        long, and a failure at its end costs more than they do.
    """

    name: str
    training_energy: TrainingEnergy
    idle_s: float
    inference: InferenceScale
    seeds: int = 1
    vary: Vary = VARY_ALL
    dry_run: bool = False


SCALES = {
    scale.name: scale
    for scale in (
        Scale(
            name="smoke",
            training_energy="all",
            idle_s=0.0,
            inference=InferenceScale(
                passes=20, large_batch_passes=4, min_seconds=0.0, repeats=1, warmup_s=0.05
            ),
            seeds=3,
        ),
        Scale(
            name="tryout",
            training_energy="all",
            idle_s=0.0,
            inference=InferenceScale(
                passes=50, large_batch_passes=5, min_seconds=0.0, repeats=3, warmup_s=0.3
            ),
        ),
        Scale(
            name="short",
            training_energy="all",
            idle_s=5.0,
            dry_run=True,
            inference=InferenceScale(
                passes=1000, large_batch_passes=50, min_seconds=5.0, repeats=3, warmup_s=3.0
            ),
        ),
        Scale(
            name="paper",
            training_energy="epochs",
            idle_s=5.0,
            dry_run=True,
            inference=InferenceScale(
                passes=10_000, large_batch_passes=100, min_seconds=30.0, repeats=3, warmup_s=10.0
            ),
        ),
    )
}
"""``smoke`` shows that everything works, ``tryout`` that it works on parts of real data, ``short`` is a first look at the
whole of them, ``paper`` follows the study."""


def find_scale(
    name: str,
    training_energy: str | None = None,
    inputs: str | None = None,
    weights: str | None = None,
    vary: str | None = None,
) -> Scale:
    """Return the scale of that name, with another energy method, inputs, weights or meaning of seeds where given.

    Raises
    ------
    UserError
        For a name that is none, with those that are.
    """
    scale = SCALES[_known("scale", name, tuple(SCALES))]
    if training_energy is not None:
        scale = replace(scale, training_energy=_known("training energy", training_energy, TRAINING_ENERGIES))
    if vary is not None:
        scale = replace(scale, vary=_known("what seeds vary", vary, VARIES))
    if inputs is not None:
        scale = replace(scale, inference=replace(scale.inference, inputs=_known("inputs", inputs, INPUTS)))
    if weights is not None:
        scale = replace(
            scale, inference=replace(scale.inference, weights=_known("weights", weights, WEIGHTS))
        )
    return scale


def _known(what: str, name: str, names: tuple[_Name, ...]) -> _Name:
    for known in names:
        if known == name:
            return known
    raise UserError(f"{what} {name!r} is unknown", f"choose one of {', '.join(names)}")
