"""Differences that do not matter, from ``margins.toml``."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from greenbench.verdict.quantity import Quantity


@dataclass(frozen=True)
class Margins:
    """The rows of the file."""

    score_points: float
    score_percent: float
    cost_percent: float

    def of(self, quantity: Quantity, baseline: float) -> float:
        """Return the margin of a difference: of values for scores, of logarithms for costs.

        Parameters
        ----------
        quantity
            With the metric's unit.
        baseline
            Its mean for the baseline.
        """
        if not quantity.is_score:
            return math.log1p(self.cost_percent / 100)
        return self.score_points / 100 if quantity.unit == "%" else abs(baseline) * self.score_percent / 100


@cache
def load_margins() -> Margins:
    """Return the margins of the package."""
    text = resources.files(__package__).joinpath("margins.toml").read_text(encoding="utf-8")
    return Margins(**tomllib.loads(text)["margin"])
