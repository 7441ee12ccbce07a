"""What a window found: a reading, and how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from greenbench.energy.device import EdgeState, Sample
from greenbench.energy.idle import Idle

COVERAGE = 2.0
"""Standard uncertainties times this give an interval of about 95 %."""


class Status(StrEnum):
    """How far a reading can be trusted."""

    MEASURED = "measured"
    MEASURED_SHORT = "measured-short"
    ESTIMATED = "estimated"
    NOT_MEASURED = "not-measured"
    INVALID = "invalid"

    @property
    def has_value(self) -> bool:
        """Whether a reading of this status carries a number."""
        return self not in (Status.NOT_MEASURED, Status.INVALID)


@dataclass(frozen=True)
class Uncertainty:
    """The standard uncertainties (one sigma, in joules) that make up a reading's.

    Attributes
    ----------
    gain_j
        Calibration of the device's sensor. It is the same in every reading of one device, so that it
        cancels when these are compared.
    tick_j
        Where the window's edges fall between two updates of the source.
    noise_j
        Spread of the sampled power or of repeated blocks, divided by the root of their number.
    thermal_j
        Drift of the power that is not over yet.
    """

    gain_j: float = 0.0
    tick_j: float = 0.0
    noise_j: float = 0.0
    thermal_j: float = 0.0

    @property
    def random_j(self) -> float:
        """Everything but the gain: what limits a comparison of two readings of one device."""
        return math.hypot(self.tick_j, self.noise_j, self.thermal_j)

    @property
    def total_j(self) -> float:
        """Root of the sum of squares of all parts."""
        return math.hypot(self.gain_j, self.random_j)

    def scaled(self, factor: float) -> Uncertainty:
        """Return the uncertainty of `factor` times the same energy."""
        return Uncertainty(**{part.name: getattr(self, part.name) * factor for part in fields(self)})

    def __add__(self, other: Uncertainty) -> Uncertainty:
        """Add up: the gain errs the same way in both, the rest independently."""
        return Uncertainty(
            self.gain_j + other.gain_j,
            math.hypot(self.tick_j, other.tick_j),
            math.hypot(self.noise_j, other.noise_j),
            math.hypot(self.thermal_j, other.thermal_j),
        )


@dataclass(frozen=True)
class Reading:
    """Joules over seconds, or the reason why there are none.

    Attributes
    ----------
    energy_j
        Gross energy in joules; None exactly where `status` carries no value. Never 0 for "unknown".
    status
        See `Status`.
    method
        How the energy was found, e.g. ``nvml-counter``; ``none`` without a meter.
    seconds
        Length of the window on a monotonic clock.
    reason
        Why there is no energy, or what limits it; required where `energy_j` is None.
    next_step
        What to do about that, where something can be done.
    device, uuid
        What was measured, e.g. ``NVIDIA H200`` and its UUID; joined by ``+`` in a sum over devices.
    ticks
        Updates of the source that fell into the window.
    idle_j, net_energy_j
        What the idle device would have drawn in that time, and the rest; None if idle power was not
        measured. `idle_drift_w` is the idle power after the work minus before.
    uncertainty
        Its parts; `uncertainty_j` is the half-width of the 95 % interval.
    max_power_w
        Largest power seen. The mean is `mean_power_w`.
    start, end
        Temperature, clocks, limit, driver and processes at the two edges.
    thermal_throttle, power_throttle
        Share of the window (0..1) in which the clock was held down by heat, or by the power limit.
    notes
        Remarks that do not limit the reading but belong to it.
    scaled_by
        1 for a measured stretch of work, otherwise by how much it was extrapolated.
    trace
        Every sample, where the window was asked to keep them.
    boundary
        What the joules are of, such as ``GPU`` or ``GPU + CPU package``; None where that is not known.
    """

    energy_j: float | None
    status: Status
    method: str
    seconds: float
    reason: str | None = None
    next_step: str | None = None
    device: str | None = None
    uuid: str | None = None
    ticks: int | None = None
    idle_j: float | None = None
    net_energy_j: float | None = None
    idle_drift_w: float | None = None
    uncertainty: Uncertainty | None = None
    max_power_w: float | None = None
    start: EdgeState | None = None
    end: EdgeState | None = None
    thermal_throttle: float | None = None
    power_throttle: float | None = None
    notes: tuple[str, ...] = ()
    scaled_by: float = 1.0
    trace: tuple[Sample, ...] | None = None
    boundary: str | None = None

    def __post_init__(self) -> None:
        if (self.energy_j is not None) != self.status.has_value:
            raise ValueError(f"a reading with status {self.status} cannot have energy_j={self.energy_j}")
        if self.energy_j is None and not self.reason:
            raise ValueError("a reading without energy needs the reason")

    @property
    def uncertainty_j(self) -> float | None:
        """Half-width of the 95 % interval of `energy_j`, gain included; None where it is unknown."""
        return None if self.uncertainty is None else COVERAGE * self.uncertainty.total_j

    @property
    def comparison_uncertainty_j(self) -> float | None:
        """The same without the gain: for comparison with other readings of the same device."""
        return None if self.uncertainty is None else COVERAGE * self.uncertainty.random_j

    @property
    def mean_power_w(self) -> float | None:
        """Energy over seconds; None where either is unknown."""
        return None if self.energy_j is None or not self.seconds else self.energy_j / self.seconds

    def scaled(self, factor: float) -> Reading:
        """Return the reading of `factor` times as much of the same work."""
        return replace(
            self,
            energy_j=_times(self.energy_j, factor),
            seconds=self.seconds * factor,
            idle_j=_times(self.idle_j, factor),
            net_energy_j=_times(self.net_energy_j, factor),
            uncertainty=None if self.uncertainty is None else self.uncertainty.scaled(factor),
            scaled_by=self.scaled_by * factor,
        )

    def net_of(self, before: Idle, after: Idle | None = None) -> Reading:
        """Return this reading split into idle and net energy, with the drift of the idle power."""
        if self.energy_j is None or before.power_w is None:
            reason = before.reason if before.power_w is None else None
            return replace(self, notes=(*self.notes, f"idle: {reason}")) if reason else self
        idle_w = before.power_w
        drift_w = None
        if after is not None and after.power_w is not None:
            idle_w = (before.power_w + after.power_w) / 2
            drift_w = after.power_w - before.power_w
        idle_j = idle_w * self.seconds
        return replace(self, idle_j=idle_j, net_energy_j=self.energy_j - idle_j, idle_drift_w=drift_w)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
