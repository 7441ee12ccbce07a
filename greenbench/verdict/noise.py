"""How much runs of equal settings scatter: per technique, with what the others of its study tell about it.

A few runs of one technique hardly tell its variance. The runs of all techniques on a workload do, as far as they scatter
alike; how alike they do is estimated too. That is the moderated variance of Smyth 2004 (Linear Models and Empirical Bayes
Methods, doi:10.2202/1544-6115.1027), on the residuals of a two-way layout: technique and seed. With one technique beside
the baseline it is Student's paired t-test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WILD_LEVEL = 0.01
"""Chance that a technique like the others is taken for one that scatters far more."""

LEAST_DF = 2
"""Degrees of freedom that the others must have to tell."""

LEAST_ROWS = 3
"""Techniques whose variances must be known before it is estimated how unlike they are."""


@dataclass(frozen=True)
class Scatter:
    """What is left of one technique's values when its mean, and the means of the seeds, are taken out.

    Attributes
    ----------
    variance
        Of one run.
    df
        Degrees of freedom that it was estimated with.
    """

    variance: float
    df: float


@dataclass(frozen=True)
class Layout:
    """Values of one quantity on one workload by technique and seed, and how they scatter.

    Attributes
    ----------
    scatter
        By technique.
    pooled
        Of all together.
    """

    scatter: Mapping[str, Scatter]
    pooled: Scatter


def fit(values: Mapping[str, Mapping[int, float]]) -> Layout:
    """Take the effects of technique and seed out of some values, by least squares, and return what is left.

    Parameters
    ----------
    values
        By technique and seed. Every technique has a seed in common with the first.
    """
    import numpy as np

    rows = list(values)
    seeds = sorted({seed for by_seed in values.values() for seed in by_seed})
    row_of = np.repeat(np.arange(len(rows)), [len(values[row]) for row in rows])
    place = {seed: number for number, seed in enumerate(seeds)}
    seed_of = np.array([place[seed] for row in rows for seed in values[row]])
    response = np.array([values[row][seed] for row in rows for seed in values[row]])
    counts = np.bincount(row_of)

    def within(columns: Any) -> Any:
        """Take the mean of each technique out of columns."""
        sums = np.zeros((len(rows), columns.shape[1]))
        np.add.at(sums, row_of, columns)
        return columns - (sums / counts[:, None])[row_of]

    design = within(np.eye(len(seeds))[seed_of])
    moved = within(response[:, None])[:, 0]
    sizes, directions = np.linalg.eigh(design.T @ design)
    known_directions = sizes > 1e-9 * max(
        1.0, sizes[-1]
    )  # the means of all seeds shift with those of all techniques
    basis = design @ (directions[:, known_directions] / np.sqrt(sizes[known_directions]))
    left = moved - basis @ (basis.T @ moved)
    left[np.abs(left) < 64 * np.finfo(float).eps * max(1e-300, np.abs(response).max())] = 0.0
    freedom = 1.0 - 1.0 / counts[row_of] - (basis**2).sum(axis=1)
    squares = np.bincount(row_of, left**2)
    known = np.bincount(row_of, freedom)
    total = len(response) - len(rows) - int(known_directions.sum())
    scatter = {
        row: Scatter(float(square / df) if df > 1e-9 else 0.0, max(0.0, float(df)))
        for row, square, df in zip(rows, squares, known, strict=True)
    }
    return Layout(scatter, Scatter(float(squares.sum()) / total if total else 0.0, float(total)))


def without_wild(values: Mapping[str, Mapping[int, float]]) -> Layout:
    """Return the layout of the rows that scatter alike: none so much more than the others that chance hardly does it.

    A row that does would drown the differences of all others. The first row, the baseline, always stays.
    """
    from scipy.stats import f

    rows = dict(values)
    while True:
        layout = fit(rows)
        pooled = layout.pooled
        found = []
        for name, own in list(layout.scatter.items())[1:]:
            df = pooled.df - own.df
            rest = pooled.variance * pooled.df - own.variance * own.df
            if own.df > 0.5 and df >= LEAST_DF and rest > 0:
                found.append((float(f.sf(own.variance * df / rest, own.df, df)), name))
        chance, wildest = min(found, default=(1.0, ""))
        if not found or chance * len(found) >= WILD_LEVEL:
            return layout
        del rows[wildest]


def likeness(layouts: Sequence[Layout]) -> float:
    """Return how alike techniques scatter, as prior degrees of freedom: what the pool tells of one of them.

    Infinite where their variances differ no more than chance makes them. By the moments of their logarithms (Smyth 2004,
    section 6.2), over all layouts together, each about its own mean.
    """
    from scipy.special import digamma, polygamma

    excess = weight = 0.0
    for layout in layouts:
        known = [one for one in layout.scatter.values() if one.df > 0.5 and one.variance > 0]
        if len(known) < LEAST_ROWS:
            continue
        logs = [math.log(one.variance) - float(digamma(one.df / 2)) + math.log(one.df / 2) for one in known]
        mean = math.fsum(logs) / len(logs)
        spread = math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1)
        by_chance = math.fsum(float(polygamma(1, one.df / 2)) for one in known) / len(known)
        excess += (len(logs) - 1) * (spread - by_chance)
        weight += len(logs) - 1
    return 2 * _inverse_trigamma(excess / weight) if weight and excess > 0 else math.inf


def moderated(layout: Layout, technique: str, alike: float) -> Scatter:
    """Return a technique's variance, moderated by the pool, with the degrees of freedom of both.

    Its own counts where that is larger: a technique that scatters more than the others must not be judged by them.
    """
    own, pooled = layout.scatter[technique], layout.pooled
    prior = min(alike, pooled.df - own.df)
    df = prior + own.df
    both = (prior * pooled.variance + own.df * own.variance) / df if df else 0.0
    return Scatter(max(both, own.variance), df)


def _inverse_trigamma(value: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import polygamma

    if value < 1e-6:
        return 1 / value
    return float(brentq(lambda x: float(polygamma(1, x)) - value, 1e-6, 2 / value + 2 / math.sqrt(value) + 2))
