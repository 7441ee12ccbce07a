"""The energy of a training from its epochs: all of them, or the first few scaled to the run.

The study measures 10 epochs and scales (section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import stdev

from scipy.special import stdtrit

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
        self._readings: list[Reading] = []
        self._run = 0
        self._latest = _not_measured("no epoch was trained")

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[], None]]:
        """Train one epoch inside."""
        self._run += 1
        if len(self._readings) == self._to_measure:
            self._latest = _not_measured(
                f"beyond the first {self._to_measure} epochs, which are measured and scaled"
            )
            yield lambda: None
            return
        self._latest = _not_measured("the epoch did not end")
        with self._meter.window(name) as window:
            yield lambda: None
        self._latest = window.reading
        self._readings.append(window.reading)

    @property
    def latest(self) -> Reading:
        """The reading of the epoch that ended last."""
        return self._latest

    @property
    def spent(self) -> Reading:
        """The energy of the epochs so far; its reason says if a part was measured."""
        return self._scaled_to(self._run)

    @property
    def reading(self) -> Reading:
        """The energy of the whole training; its reason says if a part was measured."""
        return self._scaled_to(self._planned)

    def _scaled_to(self, epochs: int) -> Reading:
        measured = len(self._readings)
        if measured in (0, epochs):
            return total(self._readings)
        whole = from_epochs(self._readings, epochs)
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
