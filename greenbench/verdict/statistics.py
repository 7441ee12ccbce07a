"""Means over seeds and differences between runs, with their intervals. Pure; imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Estimate:
    """A mean over runs.

    Attributes
    ----------
    mean
        Arithmetic mean.
    runs
        Number of values.
    half_width
        Half of the 95 % interval by Student's t; None for a single run, which says nothing of its spread.
    """

    mean: float
    runs: int
    half_width: float | None


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of `values` with its interval; `ValueError` if there are none."""
    if not values:
        raise ValueError("the mean of no values was asked for")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Estimate(mean, 1, None)
    # Not statistics.stdev, whose fractions take longer than all else that a report of many runs computes.
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Estimate(mean, len(values), quantile(TAIL, len(values) - 1) * math.sqrt(variance / len(values)))


def quantile(chance: float, df: float) -> float:
    """Return what Student's t is above with a chance: with `TAIL`, the standard errors of half a 95 % interval."""
    from scipy.special import stdtrit  # scipy.stats asks a hundred times as long for one number

    return -float(stdtrit(df, chance))


def chance_above(t: float, df: float) -> float:
    """Return the chance that Student's t is above a value."""
    from scipy.special import stdtr

    return float(stdtr(df, -t))


def paired_difference(changed: Mapping[int, float], baseline: Mapping[int, float]) -> Estimate | None:
    """Return the mean of changed - baseline over the seeds that both have, or None without any.

    Runs of one seed share their data order and, where the network is the same, their initial weights, so that
    differencing seed by seed takes out what both have in common.
    """
    shared = sorted(changed.keys() & baseline.keys())
    return estimate([changed[seed] - baseline[seed] for seed in shared]) if shared else None
