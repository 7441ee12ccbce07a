"""How many more runs would decide."""

from __future__ import annotations

import math

from greenbench.verdict.comparison import Comparison
from greenbench.verdict.statistics import chance_above

MOST = 1000
"""Runs beyond which the question is better left open."""


def more_runs(one: Comparison, level: float, level_same: float) -> int | None:
    """Return how many more seeds would decide, if the difference and the scatter stay what they are.

    Parameters
    ----------
    one
        What was compared so far.
    level, level_same
        Of p-values, not adjusted, at which it is decided: that it differs, and that it is within the margin.
    """
    if not _decided(one, MOST, level, level_same):
        return None
    low, high = one.n, MOST
    while high - low > 1:  # more runs decide whatever fewer do
        middle = (low + high) // 2
        low, high = (low, middle) if _decided(one, middle, level, level_same) else (middle, high)
    return high - one.n


def _decided(one: Comparison, n: int, level: float, level_same: float) -> bool:
    error, df = one.spread / math.sqrt(n), one.df * (n - 1) / (one.n - 1)
    if not error:
        return True
    size = abs(one.difference)
    differs = 2 * chance_above(size / error, df) <= level
    return differs or chance_above((one.margin - size) / error, df) <= level_same
