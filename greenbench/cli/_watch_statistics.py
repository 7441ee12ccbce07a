"""What repeated runs of ``greenbench watch`` say together: a mean, and the ratio of two commands."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greenbench.cli._watch_output import is_measured
from greenbench.energy import Reading
from greenbench.energy.reading import COVERAGE


@dataclass(frozen=True)
class Run:
    """One run of a command.

    Attributes
    ----------
    name
        ``run 2``, or ``run 2 of A``.
    exit_code
        The command's.
    whole
        The sum over the devices.
    """

    name: str
    exit_code: int
    whole: Reading

    def why_not(self, boundary: str | None) -> str | None:
        """Return why the joules of this run do not count beside those of `boundary`; None where they do."""
        if self.exit_code:
            return f"exit code {self.exit_code}"
        if not is_measured(self.whole):
            return self.whole.reason or str(self.whole.status)
        if not self.whole.energy_j:
            return "it shows 0 J"
        if self.whole.boundary != boundary:
            return f"it measured {self.whole.boundary}, not {boundary}"
        return None


@dataclass(frozen=True)
class Mean:
    """A mean of `count` values with the half-width of its 95 % interval; None where there are too few of them."""

    value: float
    half_width: float | None
    count: int


@dataclass(frozen=True)
class Ratio:
    """A ratio with its 95 % interval; None where there are fewer than two pairs."""

    value: float
    low: float | None
    high: float | None
    pairs: int


def boundary_of(runs: Sequence[Run]) -> str | None:
    """Return what most of the measured runs are of: joules of different devices are never put together."""
    seen = [run.whole.boundary for run in runs if is_measured(run.whole)]
    return statistics.mode(seen) if seen else None


def mean_energy(runs: Sequence[Run]) -> Mean | None:
    """Return the mean joules of runs that count.

    The spread of the runs holds all that differs from run to run, and Student's t turns it into an interval. The
    calibration of the sensor errs the same way in every run, so that repeats do not narrow its part.
    """
    readings = [run.whole for run in runs]
    if not readings:
        return None
    mean = mean_of([reading.energy_j or 0.0 for reading in readings])
    uncertainties = [reading.uncertainty for reading in readings if reading.uncertainty is not None]
    if len(uncertainties) < len(readings):
        return mean
    if mean.half_width is None:
        return replace(mean, half_width=readings[0].uncertainty_j)
    gain_j = statistics.fmean(uncertainty.gain_j for uncertainty in uncertainties)
    return replace(mean, half_width=math.hypot(mean.half_width, COVERAGE * gain_j))


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of at least one value, with the interval by Student's t."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Mean(mean, None, 1)
    half_width = _t95(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return Mean(mean, half_width, len(values))


def ratio_of(pairs: Sequence[tuple[float, float]]) -> Ratio | None:
    """Return B over A from pairs (A, B) of values above 0.

    The logarithms of the pairs' ratios are averaged. A drift of the machine that both runs of a pair share cancels,
    and so does the calibration of the sensor.
    """
    if not pairs:
        return None
    logarithm = mean_of([math.log(b / a) for a, b in pairs])
    if logarithm.half_width is None:
        return Ratio(math.exp(logarithm.value), None, None, 1)
    low, high = (logarithm.value + sign * logarithm.half_width for sign in (-1, 1))
    return Ratio(math.exp(logarithm.value), math.exp(low), math.exp(high), len(pairs))


def _t95(count: int) -> float:
    """Return Student's t of a 95 % interval from `count` values."""
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, 0.975))
