"""The scales at which the study runs, as data: how long, how wide, and how it is measured.

``smoke`` shows that everything works, on the data shipped with the package. ``short`` is a first look at
real data. ``paper`` follows sections 3.1 to 3.3 of the study. Results of different protocols are never
compared: the whole protocol is part of every case's key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from greenbench.errors import UserError

TrainingEnergy = Literal["all", "epochs", "steady"]
TRAINING_ENERGIES: tuple[TrainingEnergy, ...] = get_args(TrainingEnergy)
Inputs = Literal["stated", "fitted"]
INPUTS: tuple[Inputs, ...] = get_args(Inputs)
"""Sizes of the images at inference: as the study states them, or those that its FLOPs fit."""


@dataclass(frozen=True)
class InferenceProtocol:
    """How a network's forward pass is measured.

    Attributes
    ----------
    passes
        Timed passes of a single image in each repeat. They mostly measure what it costs to start the layers.
    large_batch
        Images of a pass that fills the device and so measures the network, by data set.
    large_batch_passes
        Timed passes of that batch in each repeat.
    min_seconds
        A repeat goes on until it has lasted this long, so that its energy can be measured.
    repeats
        Independent repeats; their spread is shown.
    warmup_s
        Seconds of untimed passes before each repeat.
    inputs
        One of `INPUTS`.
    """

    passes: int
    large_batch: Mapping[str, int]
    large_batch_passes: int
    min_seconds: float
    repeats: int
    warmup_s: float
    inputs: Inputs = "stated"

    def passes_by_batch_size(self, dataset: str) -> dict[int, int]:
        """Return the timed passes of a repeat for each batch size, single images first."""
        return {1: self.passes, self.large_batch[dataset]: self.large_batch_passes}


@dataclass(frozen=True)
class Protocol:
    """One scale of the study.

    Attributes
    ----------
    name
        As in ``--green-scale``.
    datasets
        Data sets that the matrix holds.
    epochs
        Epochs of the baseline by data set.
    width
        Factor on the networks' channels.
    blocks_per_stage
        Bottlenecks in the four stages of the classification network.
    norm_momentum
        Momentum of the batch norms' running averages; a run of few steps needs a larger one.
    evaluate_every
        Epochs between evaluations on held-out images, by data set; the last is always evaluated.
    training_energy
        How a training's energy is measured. ``all``: every epoch. ``epochs``: the first ten, scaled to the run, as
        in section 3.3 of the study. ``steady``: blocks of steps until the energy of a step is known to 1 %,
        scaled to the run. Where images change size during the run, ``epochs`` measures all of them, as the study
        did, and ``steady`` every size by itself.
    idle_s
        Seconds for which idle power is measured before and after each case; 0 does not measure it.
    inference
        How forward passes are measured.
    seeds
        Runs of each case, with seeds 0, 1, ...
    mode
        Numerical mode of the run. ``paper``: float32, NCHW, eager.
    """

    name: str
    datasets: tuple[str, ...]
    epochs: Mapping[str, int]
    width: float
    blocks_per_stage: tuple[int, int, int, int]
    norm_momentum: float
    evaluate_every: Mapping[str, int]
    training_energy: TrainingEnergy
    idle_s: float
    inference: InferenceProtocol
    seeds: int = 1
    mode: str = "paper"


MEASURED_EPOCHS = 10
"""What ``epochs`` measures (section 3.3 of the study)."""

PAPER_EPOCHS = {"cifar100": 200, "tiny_imagenet": 200, "cityscapes": 1000, "coco_stuff": 60}
SHORT_EPOCHS = {"cifar100": 10, "tiny_imagenet": 10, "cityscapes": 20, "coco_stuff": 4}
LARGE_BATCHES = {"cifar100": 1024, "tiny_imagenet": 256, "cityscapes": 32, "coco_stuff": 32}
"""About 10^12 multiply-adds a pass at the stated inputs: many times what starting the layers costs."""
SMOKE_EPOCHS = {"digits": 4, "digits20": 2, "scenes4": 4, "scenes6": 4}

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="smoke",
            datasets=tuple(SMOKE_EPOCHS),
            epochs=SMOKE_EPOCHS,
            width=0.25,
            blocks_per_stage=(1, 1, 1, 1),
            norm_momentum=0.3,
            evaluate_every=dict.fromkeys(SMOKE_EPOCHS, 1),
            training_energy="all",
            idle_s=0.0,
            inference=InferenceProtocol(
                passes=20,
                large_batch=dict.fromkeys(SMOKE_EPOCHS, 32),
                large_batch_passes=20,
                min_seconds=0.0,
                repeats=3,
                warmup_s=0.1,
            ),
        ),
        Protocol(
            name="short",
            datasets=tuple(PAPER_EPOCHS),
            epochs=SHORT_EPOCHS,
            width=1.0,
            blocks_per_stage=(3, 4, 6, 3),
            norm_momentum=0.1,
            evaluate_every=dict.fromkeys(SHORT_EPOCHS, 1),
            training_energy="all",
            idle_s=5.0,
            inference=InferenceProtocol(
                passes=1000,
                large_batch=LARGE_BATCHES,
                large_batch_passes=50,
                min_seconds=5.0,
                repeats=3,
                warmup_s=3.0,
            ),
        ),
        Protocol(
            name="paper",
            datasets=tuple(PAPER_EPOCHS),
            epochs=PAPER_EPOCHS,
            width=1.0,
            blocks_per_stage=(3, 4, 6, 3),
            norm_momentum=0.1,
            evaluate_every={"cifar100": 1, "tiny_imagenet": 1, "cityscapes": 10, "coco_stuff": 5},
            training_energy="epochs",
            idle_s=5.0,
            inference=InferenceProtocol(
                passes=10_000,
                large_batch=LARGE_BATCHES,
                large_batch_passes=100,
                min_seconds=30.0,
                repeats=3,
                warmup_s=10.0,
            ),
        ),
    )
}


def find_protocol(name: str, training_energy: str | None = None) -> Protocol:
    """Return the protocol of that name, with another way to measure training energy if one is given.

    Raises
    ------
    UserError
        For a name that is none, with those that are.
    """
    if name not in PROTOCOLS:
        raise UserError(f"scale {name!r} is unknown; choose one of {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name]
    if training_energy is None:
        return protocol
    for known in TRAINING_ENERGIES:
        if training_energy == known:
            return replace(protocol, training_energy=known)
    raise UserError(
        f"training energy {training_energy!r} is unknown; choose one of {', '.join(TRAINING_ENERGIES)}"
    )


def with_inputs(protocol: Protocol, inputs: str | None) -> Protocol:
    """Return the protocol with other image sizes at inference; None leaves it as it is.

    Raises
    ------
    UserError
        If the name is unknown, or no data set of the scale is one of the study's.
    """
    if inputs is None:
        return protocol
    chosen = next((name for name in INPUTS if name == inputs), None)
    if chosen is None:
        raise UserError(f"inputs {inputs!r} are unknown; choose one of {', '.join(INPUTS)}")
    if chosen == "fitted" and not set(protocol.datasets) & set(PAPER_EPOCHS):
        raise UserError(
            f"inputs {inputs!r} are sizes of the study's own data sets, and scale {protocol.name!r} has none of "
            "them; choose --green-scale short or paper"
        )
    return replace(protocol, inference=replace(protocol.inference, inputs=chosen))
