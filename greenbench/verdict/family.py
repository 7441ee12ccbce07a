"""Chances of a false claim in a whole study: many techniques, all of them against one baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from greenbench.verdict.statistics import chance_above

CLEAR, HOPELESS = 1e-6, 0.9
"""P-values at which a bound above is close enough: the chances of all contrasts added up, and 1."""

NODES = 96
"""Of the quadratures."""


@dataclass(frozen=True)
class Contrast:
    """One technique against the baseline, in one quantity on one workload.

    Attributes
    ----------
    t
        Difference by its standard error.
    df
        Degrees of freedom of the error.
    share
        Of its variance: the part that comes from the baseline, which all contrasts have in common.
    """

    t: float
    df: float
    share: float


def two_sided(contrast: Contrast) -> float:
    """Return the p-value of one contrast alone."""
    return 2 * chance_above(abs(contrast.t), contrast.df) if math.isfinite(contrast.t) else 0.0


def against_one_baseline(contrasts: Sequence[Contrast]) -> list[float]:
    """Return p-values of contrasts with one baseline, adjusted for their number, by Dunnett's test, step down.

    The chance that the largest of those that are not yet claimed is as large as this one, by multivariate t: errors of two
    contrasts are correlated by the baseline that they share.

    **Source.** Dunnett 1955, doi:10.1080/01621459.1955.10501294; Dunnett & Tamhane 1991, doi:10.1002/sim.4780100614.
    """
    order = sorted(range(len(contrasts)), key=lambda k: -abs(contrasts[k].t))
    adjusted = [1.0] * len(contrasts)
    least = 0.0
    for place, k in enumerate(order):
        if least > HOPELESS:
            break
        added_up = (len(order) - place) * two_sided(contrasts[k])
        if added_up > CLEAR and place < len(order) - 1:
            added_up = _any_as_large(contrasts[k], [contrasts[j] for j in order[place:]])
        least = max(least, added_up)
        adjusted[k] = min(1.0, least)
    return adjusted


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, whatever their dependence (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [1.0] * len(p_values)
    least = 0.0
    for place, k in enumerate(order):
        least = max(least, (len(p_values) - place) * p_values[k])
        adjusted[k] = min(1.0, least)
    return adjusted


def _any_as_large(one: Contrast, contrasts: Sequence[Contrast]) -> float:
    """Return the chance that any of some contrasts is as large as one, where none of the techniques differs."""
    import numpy as np
    from scipy.special import ndtr

    if not math.isfinite(one.t):
        return 0.0
    common, chance = _normal()
    error, error_chance = _error(one.df)
    bound = abs(one.t) * error[:, None]
    inside = np.ones((len(error), len(common)))
    # Rounded down: less in common is the safe side (Sidak 1967), and equal shares are reckoned at once.
    shares, counts = np.unique([math.floor(10 * each.share) / 10 for each in contrasts], return_counts=True)
    for share, count in zip(shares, counts, strict=True):
        shift, own = math.sqrt(share) * common, math.sqrt(1 - share)
        inside *= (ndtr((bound - shift) / own) - ndtr((-bound - shift) / own)) ** count
    return float(max(0.0, error_chance @ (1.0 - inside) @ chance))


@cache
def _normal() -> tuple[Any, Any]:
    """Return points of the standard normal distribution, and their chances."""
    import numpy as np

    points = np.linspace(-9, 9, NODES)
    chances = np.exp(-(points**2) / 2)
    return points, chances / chances.sum()


@cache
def _error(df: float) -> tuple[Any, Any]:
    """Return ratios of a standard error that was estimated with some degrees of freedom to the true one, and their chances.

    By the trapezoidal rule for the logarithm of the ratio, which is exact to rounding for such a density, far tails
    included.
    """
    import numpy as np

    if math.isinf(df):
        return np.ones(1), np.ones(1)
    logs = np.linspace(-40 / df - 0.5, math.log1p(10 / math.sqrt(df)), NODES)
    density = df * logs - df * np.exp(2 * logs) / 2
    chances = np.exp(density - density.max())
    return np.exp(logs), chances / chances.sum()
