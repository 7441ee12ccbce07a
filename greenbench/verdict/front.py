"""The Pareto front of score against cost: techniques that no other one beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenbench.records.record import Record, by_technique
from greenbench.spec.case import IMPORTED
from greenbench.verdict.quantities import SCORE
from greenbench.verdict.to_target import cost_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 2000
"""Of the seeds; the probability is then good to about 2 points."""


@dataclass(frozen=True)
class OnFront:
    """Whether the means of a technique's score and cost are on the front, and how surely.

    `probability` is the share of resampled sets of seeds (bootstrap) in which they are; None with one seed, which says
    nothing of the scatter. With few seeds it is too near to 0 or 1.
    """

    is_on: bool
    probability: float | None


def front(records: Sequence[Record]) -> dict[str, OnFront]:
    """Return which techniques are on the front of score against the cost of the whole training.

    Parameters
    ----------
    records
        Trainings, or imported runs, that may be compared, the baseline's among them. Each case counts once.

    Returns
    -------
    dict
        By technique. One with a run that has no score, such as a diverged one, is not in it, and nothing is where fewer than
        two techniques are left. Cost is that of `greenbench.verdict.to_target.cost_of`.
    """
    trained = [record for record in records if record.case.kind in ("training", IMPORTED)]
    runs = by_technique(trained)
    cost = cost_of(trained)
    scores = {name: SCORE.by_seed(found) for name, found in runs.items()}
    costs = {name: cost.by_seed(found) for name, found in runs.items()}
    names = [n for n in runs if len(scores[n]) == len(costs[n]) == len(runs[n])]
    if len(names) < 2:
        return {}
    import numpy as np

    seeds = sorted({record.case.seed for name in names for record in runs[name]})
    sign = 1 if records[0].workload.metric.better == "higher" else -1
    there = np.array([[seed in scores[name] for seed in seeds] for name in names], dtype=float)
    values = np.array(
        [
            [[sign * scores[n].get(seed, 0.0) for seed in seeds] for n in names],
            [[-costs[n].get(seed, 0.0) for seed in seeds] for n in names],
        ]
    )
    means = values.sum(2) / there.sum(1)
    is_on = not_beaten(means[..., None])[:, 0]
    # The same seeds for all techniques: what the runs of a seed share stays shared.
    drawn = np.random.default_rng(0).multinomial(len(seeds), [1 / len(seeds)] * len(seeds), RESAMPLES).T
    counts = there @ drawn
    with np.errstate(invalid="ignore"):
        resampled = np.where(counts > 0, values @ drawn / counts, means[..., None])
    shares = not_beaten(resampled).mean(1)
    return {
        name: OnFront(bool(is_on[row]), float(shares[row]) if len(runs[name]) > 1 else None)
        for row, name in enumerate(names)
    }


def not_beaten(goods: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return, of goods (2, techniques, draws), which techniques no other one equals in both and beats in one.

    Sorted by the first good and then by the second: only who stands before a technique can beat it.
    """
    import numpy as np

    first, second = goods
    order = np.lexsort((-second, -first), axis=0)
    first, second = (np.take_along_axis(good, order, 0) for good in (first, second))
    places = np.arange(len(first))[:, None]
    is_new = np.vstack([np.ones_like(first[:1], dtype=bool), first[1:] != first[:-1]])
    alike = np.maximum.accumulate(
        np.where(is_new, places, 0), 0
    )  # where those begin that are alike in the first
    best = np.vstack([np.full_like(second[:1], -np.inf), np.maximum.accumulate(second, 0)])
    beaten = np.take_along_axis(best, alike, 0) >= second
    beaten |= np.take_along_axis(second, alike, 0) > second
    found = np.empty_like(beaten)
    np.put_along_axis(found, order, ~beaten, 0)
    return found
