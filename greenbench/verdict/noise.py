"""How much runs of equal settings scatter: per technique, with what the others of its study tell about it.

A few runs of one technique hardly tell its variance. The runs of all techniques on a workload do, as far as they scatter
alike; how alike they do is estimated too. That is the moderated variance of Smyth 2004 (Linear Models and Empirical Bayes
Methods, doi:10.2202/1544-6115.1027), on the residuals of a two-way layout: technique and seed. With one technique beside
the baseline it is Student's paired t-test. A technique that is found to scatter far more than the others, by its runs on
all workloads together, is judged by these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

Table: TypeAlias = "Mapping[str, Mapping[int, float]]"
"""Values of one quantity on one workload, by technique and seed."""

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


def fit(values: Table) -> Layout:
    """Take the effects of technique and seed out of some values, by least squares, and return what is left.

    Parameters
    ----------
    values
        By technique and seed. Every technique has a seed in common with the first.
    """
    import numpy as np

    place = {seed: number for number, seed in enumerate(sorted(set().union(*values.values())))}
    there, response = np.zeros((2, len(values), len(place)))
    for row, by_seed in enumerate(values.values()):
        for seed, value in by_seed.items():
            there[row, place[seed]], response[row, place[seed]] = 1.0, value
    largest = max(1e-300, np.abs(response).max())
    # A difference of large numbers would leave their rounding.
    response -= there * (response.sum() / there.sum())
    # Of the two effects the one with fewer levels is solved for: of 10 seeds, however many techniques.
    flip = there.shape[0] < there.shape[1]
    left, freedom = _residuals(there.T, response.T) if flip else _residuals(there, response)
    if flip:
        left, freedom = left.T, freedom.T
    left[np.abs(left) < 64 * np.finfo(float).eps * largest] = 0.0
    squares, known = (left**2).sum(axis=1), freedom.sum(axis=1)
    total = int(there.sum()) - len(values) - len(place) + 1
    scatter = {
        name: Scatter(float(square / free) if free > 1e-9 else 0.0, max(0.0, float(free)))
        for name, square, free in zip(values, squares, known, strict=True)
    }
    return Layout(scatter, Scatter(float(squares.sum()) / total if total else 0.0, float(total)))


def _residuals(there: Array, response: Array) -> tuple[Array, Array]:
    """Return residuals of an additive two-way layout, and 1 - leverage, cell by cell; 0 where no cell is there.

    The first effect is eliminated, and the normal equations of the second one, which is few, are solved.
    """
    import numpy as np

    count = there.sum(axis=1, keepdims=True)
    shares = there / count
    normal = np.diag(there.sum(axis=0)) - there.T @ shares
    inverse = np.zeros_like(normal)
    inverse[1:, 1:] = np.linalg.inv(normal[1:, 1:])  # the first level of the second effect is its zero
    mean = response.sum(axis=1, keepdims=True) / count
    second = inverse @ (response - there * mean).sum(axis=0)
    first = mean - (shares @ second)[:, None]
    spread = shares @ inverse
    leverage = 1 / count + np.diag(inverse) - 2 * spread + (spread * shares).sum(axis=1, keepdims=True)
    return there * (response - first - second), there * (1.0 - leverage)


def without_wild(tables: Sequence[Table]) -> list[Layout]:
    """Return the layouts of the techniques that scatter alike: none so much more than the others that chance hardly does it.

    A technique that does would drown the differences of all others. It is left out of all tables: what three runs on one
    workload cannot show, those on all of them do. The first row of a table, the baseline, always stays.

    Parameters
    ----------
    tables
        Values of one quantity as `fit` takes them, workload by workload.
    """
    rows = [dict(table) for table in tables]
    layouts = [fit(table) for table in rows]
    while True:
        chances = _chances(layouts)
        wildest = min(chances, key=chances.__getitem__, default="")
        if not wildest or chances[wildest] * len(chances) >= WILD_LEVEL:
            return layouts
        for place, table in enumerate(rows):
            if wildest in list(table)[1:]:
                del table[wildest]
                layouts[place] = fit(table)


def _chances(layouts: Sequence[Layout]) -> dict[str, float]:
    """Return the chance that a technique scatters so much more than the others, where it is like them.

    Those of all workloads together are Fisher's: the sum of their logarithms is chi-squared (Statistical Methods for
    Research Workers, 1932, section 21.1).
    """
    from scipy.special import chdtrc, fdtrc

    logs: dict[str, list[float]] = {}
    for layout in layouts:
        pooled = layout.pooled
        for name, own in list(layout.scatter.items())[1:]:
            df = pooled.df - own.df
            rest = pooled.variance * pooled.df - own.variance * own.df
            if own.df > 0.5 and df >= LEAST_DF and rest > 0:
                chance = float(fdtrc(own.df, df, own.variance * df / rest))
                logs.setdefault(name, []).append(math.log(max(chance, 1e-300)))
    return {name: float(chdtrc(2 * len(of), -2 * math.fsum(of))) for name, of in logs.items()}


def apart(tables: Sequence[Table], layouts: Sequence[Layout]) -> list[dict[str, Scatter]]:
    """Return how the techniques scatter that `without_wild` left out, table by table: half the variance of a difference.

    It is as many times the others' variance as on all workloads together, or more where these runs say so.
    """
    pairs: dict[str, dict[int, Scatter]] = {}
    for place, (table, layout) in enumerate(zip(tables, layouts, strict=True)):
        baseline = next(iter(table))
        for name in table.keys() - layout.scatter.keys():
            pair = fit({baseline: table[baseline], name: table[name]}).pooled
            pairs.setdefault(name, {})[place] = pair
    found: list[dict[str, Scatter]] = [{} for _ in tables]
    for name, by_place in pairs.items():
        ratios = [
            (pair.df, pair.variance / layouts[place].pooled.variance)
            for place, pair in by_place.items()
            if layouts[place].pooled.variance > 0
        ]
        df = math.fsum(known for known, _ in ratios)
        times = math.fsum(known * ratio for known, ratio in ratios) / df if df else 0.0
        for place, pair in by_place.items():
            others = layouts[place].pooled
            # A product of two estimates is known less than either.
            both = 1 / (1 / df + 1 / others.df) if df and others.df else 0.0
            found[place][name] = Scatter(max(pair.variance, times * others.variance), max(pair.df, both))
    return found


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
