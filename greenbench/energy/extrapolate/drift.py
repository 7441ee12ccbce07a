"""The energy per step of a long training, from blocks of steps at its beginning.

A GPU warms up in the first minute of work, and its power drifts. Waiting for that to end would cost more
than the measurement. So the blocks are fitted by a lasting and a decaying part, with the time constants of
usual coolers::

    energy per step at time t  =  lasting + transient * exp(-t / tau)

and the fit is continued to the planned number of steps. The usual size of a transient is given (`PRIOR`), so
that a short series is not taken for a trend. This is Bayesian linear regression for each tau, with the taus
weighted by their evidence (Bishop, Pattern Recognition and Machine Learning, 3.3-4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

TAUS_S = (8.0, 16.0, 32.0, 64.0)
PRIOR = 0.02
"""Standard deviation of the transient, as a fraction of what lasts."""
MIN_BLOCKS = 5
"""With fewer there is a mean, but nothing can be said about drift."""
LEAST_FREEDOM = 2.0
"""Degrees of freedom that are left however alike neighbors are: with fewer the interval says nothing."""

CORRECTIONS = 8
"""Rounds of correcting the likeness of neighbors by what the fit took from it; they converge."""

Array = NDArray[np.float64]


class Block(NamedTuple):
    """Some steps in a row: how many, their energy, and when they ran, in seconds since the stage began."""

    steps: int
    energy_j: float
    start_s: float
    end_s: float


class PerStep(NamedTuple):
    """Mean energy per step, and its standard uncertainty by noise and by drift; in joules.

    Widened by Student's t, so that twice the uncertainty is the 95 % half-width also for few blocks.
    """

    mean_j: float
    noise_j: float
    drift_j: float


def per_step(blocks: Sequence[Block], planned_steps: int) -> PerStep:
    """Return the mean energy per step over `planned_steps`, of which the blocks are the beginning.

    Parameters
    ----------
    blocks
        In order of time.
    planned_steps
        Steps of the whole stage.
    """
    steps = np.array([block.steps for block in blocks], dtype=float)
    values = np.array([block.energy_j for block in blocks]) / steps
    weights = steps / steps.mean()
    mean_j = float(np.average(values, weights=weights))
    count = len(blocks)
    if count < MIN_BLOCKS:
        deviation_j = float(values.std(ddof=1)) if count > 1 else 0.0
        widening = float(stdtrit(count - 1, 0.975)) / 2 if count > 1 else 1.0
        return PerStep(mean_j, widening * deviation_j / math.sqrt(count), 0.0)

    seconds = np.array([block.end_s - block.start_s for block in blocks])
    whole_s = max(blocks[-1].end_s, planned_steps * float(seconds.sum() / steps.sum()))
    designs = [
        np.stack(
            [np.ones(count), np.array([_decay(block.start_s, block.end_s, tau_s) for block in blocks])],
            axis=1,
        )
        for tau_s in TAUS_S
    ]
    variance, inflation = _noise(designs[len(designs) // 2], values, weights, mean_j)
    fits = [_regress(design, values, weights, variance, mean_j) for design in designs]
    evidence = np.array([fit.log_evidence for fit in fits])
    shares = np.exp(evidence - evidence.max())
    shares /= shares.sum()
    targets = [np.array([1.0, _decay(0.0, whole_s, tau_s)]) for tau_s in TAUS_S]
    means = np.array([target @ fit.mean for target, fit in zip(targets, fits, strict=True)])
    mean_j = float(shares @ means)
    variances = np.array([t @ fit.covariance @ t for t, fit in zip(targets, fits, strict=True)])
    error_j = math.sqrt(float(shares @ (variances + (means - mean_j) ** 2)))
    # Neighbors that are alike are fewer independent values, from which the noise is known less well. Two of them are
    # used up by the fit.
    freedom = max(LEAST_FREEDOM, (count - 2) / inflation - 2)
    widening = float(stdtrit(freedom, 0.975)) / 2
    noise_j = math.sqrt(variance / count)
    drift_j = math.sqrt(max(error_j**2 - noise_j**2, 0.0))
    return PerStep(mean_j, widening * noise_j, widening * drift_j)


def mean_with_half_width(values: Sequence[float], weights: Sequence[float]) -> tuple[float, float]:
    """Return the weighted mean of values in a row, without drift, and the half-width of its 95 % interval.

    Neighbors that are alike widen it. With fewer than `MIN_BLOCKS` values it is the mean itself: they say nothing.
    """
    found, shares = np.array(values), np.array(weights) / np.mean(weights)
    mean, count = float(np.average(found, weights=shares)), len(found)
    if count < MIN_BLOCKS:
        return mean, mean
    residuals = (found - mean) * np.sqrt(shares)
    inflation = _inflation(residuals)
    deviation = math.sqrt(float(residuals @ residuals) / (count - 1) * inflation / count)
    return mean, float(stdtrit(max(LEAST_FREEDOM, (count - 1) / inflation), 0.975)) * deviation


class _Fit(NamedTuple):
    mean: Array
    covariance: Array
    log_evidence: float


def _regress(design: Array, values: Array, weights: Array, variance: float, scale_j: float) -> _Fit:
    precision = np.diag([1e-4, PRIOR**-2]) / scale_j**2  # what lasts is free, the transient is bounded
    hessian = design.T @ (weights[:, None] * design) / variance + precision
    covariance: Array = np.linalg.inv(hessian).astype(np.float64)
    mean = covariance @ (design.T @ (weights * values) / variance)
    residuals = values - design @ mean
    misfit = float(residuals @ (weights * residuals)) / variance + float(mean @ precision @ mean)
    return _Fit(mean, covariance, -0.5 * misfit - 0.5 * float(np.linalg.slogdet(hessian)[1]))


def _noise(design: Array, values: Array, weights: Array, scale_j: float) -> tuple[float, float]:
    """Return the variance of a block, as if blocks were independent, and by how much likeness of neighbors widened it."""
    variance = max(float(np.mean(np.diff(values) ** 2)) / 2, (1e-4 * scale_j) ** 2)
    inflation = 1.0
    for _ in range(3):
        residuals = values - design @ _regress(design, values, weights, variance, scale_j).mean
        squares = float(residuals @ residuals)
        inflation = _inflation(residuals)
        variance = max(squares / (len(values) - 2) * inflation, (1e-4 * scale_j) ** 2)
    return variance, inflation


def _inflation(residuals: Array) -> float:
    """Return how much more a mean of the residuals scatters than one of independent values.

    One plus twice the autocorrelations, up to the first that is not positive (Geyer 1992). Residuals scatter around
    a mean of their own, so that each of `n` autocorrelations is too small by about the inflation over `n`
    (Marriott and Pope 1954).
    """
    count = len(residuals)
    squares = float(residuals @ residuals)
    if squares == 0:
        return 1.0
    alike = [float(residuals[:-lag] @ residuals[lag:]) / squares for lag in range(1, count // 3 + 1)]
    inflation = 1.0
    for _ in range(CORRECTIONS):
        corrected = [value + inflation / count for value in alike]
        inflation = min(1.0 + 2 * sum(takewhile(lambda value: value > 0, corrected)), count / 2)
    return inflation


def _decay(start_s: float, end_s: float, tau_s: float) -> float:
    """Return the mean of exp(-t / tau) from start to end."""
    return tau_s / (end_s - start_s) * (math.exp(-start_s / tau_s) - math.exp(-end_s / tau_s))
