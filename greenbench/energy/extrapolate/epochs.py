"""The energy of a training from its epochs: all of them, or the first few scaled to the run.

The study measures 10 epochs and scales (section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from statistics import stdev
from typing import Any

from scipy.special import stdtrit

from greenbench.energy.extrapolate.mended import mended
from greenbench.energy.extrapolate.stretches import Stretches
from greenbench.energy.reading import COVERAGE, Reading, Status
from greenbench.energy.sums import total
from greenbench.energy.window import Meter


class EpochEnergy:
    """Measures whole epochs, all or the first few, and scales them to the run.

    It is used as `SteadyEnergy` is, a stage being one epoch.

    Parameters
    ----------
    meter
        Opens the epochs' windows.
    planned_epochs
        Epochs of the whole training.
    measured_epochs
        How many to measure; None for all of them.
    """

    def __init__(self, meter: Meter, planned_epochs: int, measured_epochs: int | None = None) -> None:
        self._meter = meter
        self._planned = planned_epochs
        self._to_measure = planned_epochs if measured_epochs is None else min(measured_epochs, planned_epochs)
        self._epochs: list[list[Reading]] = []
        """Of each measured epoch, those of its windows."""
        self._run = 0
        self._latest = _not_measured("no epoch was trained")
        self._begun: Sequence[Reading] = ()
        self._stretches: Stretches | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], None]]:
        """Train one epoch inside, or what is left of it."""
        if len(self._epochs) == self._to_measure:
            yield lambda: None
            self._latest = _not_measured(
                f"beyond the first {self._to_measure} epochs, which are measured and scaled"
            )
            self._run += 1
            return
        self._latest = _not_measured("the epoch did not end")
        self._stretches = Stretches(self._meter, name, self._begun)
        self._begun = ()
        with self._stretches.measured():
            yield self._stretches.step_done
        self._epochs.append(self._stretches.readings)
        self._latest = self.epochs[-1]
        self._stretches = None
        self._run += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Measure nothing of what is done inside, between two steps of an epoch."""
        with self._stretches.paused() if self._stretches else nullcontext():
            yield

    def state_dict(self) -> dict[str, Any]:
        """Return all that another one needs to go on; to be asked for within `paused`."""
        begun = self._stretches.readings if self._stretches else self._begun
        return {
            "epochs": [list(epoch) for epoch in self._epochs],
            "run": self._run,
            "begun": list(begun),
            "latest": self._latest,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken."""
        self._epochs, self._run, self._begun = state["epochs"], state["run"], state["begun"]
        self._latest = state["latest"]

    @property
    def latest(self) -> Reading:
        """The reading of the epoch that ended last."""
        return self._latest

    @property
    def epochs(self) -> list[Reading]:
        """The readings of the measured epochs; of a void window, the energy is that of its neighbours where few are void."""
        windows = iter(mended([reading for epoch in self._epochs for reading in epoch]))
        return [total(list(islice(windows, len(epoch)))) for epoch in self._epochs]

    @property
    def spent(self) -> Reading:
        """The energy of the epochs so far; its reason says if a part was measured."""
        return self._scaled_to(self._run)

    @property
    def reading(self) -> Reading:
        """The energy of the whole training; its reason says if a part was measured."""
        return self._scaled_to(self._planned)

    def _scaled_to(self, epochs: int) -> Reading:
        measured = len(self._epochs)
        if measured in (0, epochs):
            return total(self.epochs)
        whole = from_epochs(self.epochs, epochs)
        remarks = [f"{measured} of {epochs} epochs measured"]
        return replace(whole, reason="; ".join([*filter(None, [whole.reason]), *remarks]))


def from_epochs(readings: Sequence[Reading], planned_epochs: int) -> Reading:
    """Scale measured epochs to the planned ones (section 3.3); the epochs' spread gives the interval."""
    whole = total(readings)
    if whole.energy_j is None:
        return whole
    energies_j = [reading.energy_j or 0.0 for reading in readings]
    if len(readings) > 1 and whole.uncertainty is not None:
        widening = float(stdtrit(len(readings) - 1, 0.975)) / COVERAGE
        noise_j = widening * stdev(energies_j) * math.sqrt(len(readings))
        whole = replace(whole, uncertainty=replace(whole.uncertainty, noise_j=noise_j))
    return whole.scaled(planned_epochs / len(readings))


def _not_measured(reason: str) -> Reading:
    return Reading(None, Status.NOT_MEASURED, "epochs", 0.0, reason)
