"""How far one quantity goes with another over techniques, with what chance alone would give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST = 5
"""Points below which an interval would be all of -1 to 1."""

NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of `n` points, with its 95 % interval."""

    rho: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"ρ = {self.rho:.2f} ({self.low:.2f} to {self.high:.2f}), n = {self.n}"


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Return Spearman's rank correlation; None with too few points, or where one of the two does not vary.

    The interval is by Fisher's transformation with the variance (1 + rho^2 / 2) / (n - 3) of Bonett and Wright 2000,
    Psychometrika 65, 23.
    """
    n = len(x)
    if n < FEWEST or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    ranks_x, ranks_y = _ranks(x), _ranks(y)
    middle = (n + 1) / 2
    covariance = math.fsum((a - middle) * (b - middle) for a, b in zip(ranks_x, ranks_y, strict=True))
    rho = covariance / math.sqrt(
        math.fsum((a - middle) ** 2 for a in ranks_x) * math.fsum((b - middle) ** 2 for b in ranks_y)
    )
    rho = max(-1.0, min(1.0, rho))
    if abs(rho) == 1:
        return Correlation(rho, rho, rho, n)
    half = NORMAL_95 * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Correlation(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)


def _ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1; equal values share the mean of theirs."""
    order = sorted(values)
    first: dict[float, int] = {}
    count: dict[float, int] = {}
    for place, value in enumerate(order, start=1):
        first.setdefault(value, place)
        count[value] = count.get(value, 0) + 1
    return [first[value] + (count[value] - 1) / 2 for value in values]
