"""How far a quantity moved between two versions of the code, and how surely: for the gate and for replays.

Costs are compared by their logarithms, scores by their values. Scores are paired by seed. What scatters is the run, whose
variance the techniques of a workload tell together (`greenbench.verdict.noise`), and the session: all that one process
measured shares the temperature and the clocks of that hour. How far sessions lie apart is estimated where a side has
several, beginning from `SESSION_SD`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from greenbench.verdict.noise import Layout, Scatter, likeness, moderated
from greenbench.verdict.statistics import chance_above, quantile

SESSION_SD = 0.005
"""Standard deviation of the logarithm of a cost from session to session, before any is measured.

Ratios on one card hold to 0.5 to 1 % (Yang, Adamek, Armour, SC24)."""

SESSION_WEIGHT = 2.0
"""Degrees of freedom that `SESSION_SD` counts for, where several sessions tell more."""


@dataclass(frozen=True)
class Run:
    """One value, and where it comes from.

    Attributes
    ----------
    seed, session
        Of the run; a session is one process.
    value
        Of a score, or the logarithm of a cost.
    own
        How far its repeats, or its own error, let it scatter, for a run that stands alone; None where it has neither.
    """

    seed: int
    session: str
    value: float
    own: Scatter | None = None


@dataclass(frozen=True)
class Sides:
    """The runs of one technique on one workload, before and after.

    Attributes
    ----------
    workload, technique
        The workload may be anything that tells runs apart which do not scatter alike.
    resolution
        The least step of a value, where it has one.
    """

    workload: Hashable
    technique: str
    before: Sequence[Run]
    after: Sequence[Run]
    resolution: float = 0.0


@dataclass(frozen=True)
class Shift:
    """After minus before, and its error.

    Attributes
    ----------
    difference
        Of the means.
    error
        Its standard error.
    df
        Degrees of freedom of the error.
    run
        Variance that each further run on both sides divides; `n` of them were there.
    n
        Runs on the side that has fewer, or pairs.
    session
        Part of the error's variance that more runs in the same sessions do not lessen.
    """

    difference: float
    error: float
    df: float
    run: float
    n: int
    session: float = 0.0

    @property
    def turned(self) -> Shift:
        """The same in the other direction."""
        return replace(self, difference=-self.difference)

    def worse(self, than: float = 0.0) -> float:
        """Return the p-value of ``difference <= than``, one-sided."""
        if not self.error:
            return float(self.difference <= than)
        return chance_above((self.difference - than) / self.error, self.df)

    def half_width(self, chance: float) -> float:
        """Return the distance from the difference beyond which the truth lies, on one side, with a chance."""
        return quantile(chance, self.df) * self.error if self.error else 0.0


def moved_scores(cells: Sequence[Sides], *, alone: bool = False) -> list[Shift | None]:
    """Return how far scores moved, paired by seed; None where fewer than two seeds were run on both sides.

    With `alone`, runs of other seeds are compared where there are no pairs, if a side has two.
    """
    pairs = [_by_seed(cell) for cell in cells]
    layouts = _layouts(cells, [_one_side(differences) for differences in pairs])
    alike = likeness(list(layouts.values()))
    found: list[Shift | None] = []
    for cell, differences in zip(cells, pairs, strict=True):
        n = len(differences)
        if n < 2:
            found.append(moved_costs([cell], alone=True, session_sd=0.0)[0] if alone else None)
            continue
        mean = math.fsum(differences) / n
        if not any(differences):  # the same code: every digit is the same
            found.append(Shift(0.0, 0.0, math.inf, 0.0, n))
            continue
        scatter = _scatter(layouts, cell, alike, n - 1)
        variance = max(scatter.variance, cell.resolution**2)
        found.append(Shift(mean, math.sqrt(variance / n), scatter.df, variance, n))
    return found


def moved_costs(
    cells: Sequence[Sides], *, alone: bool = False, session_sd: float | None = None
) -> list[Shift | None]:
    """Return how far the logarithms of one cost moved; None where a side has one run that tells nothing of its error.

    With `alone`, the runs of the other side tell it, if there are two. `session_sd` takes the place of `SESSION_SD`.
    """
    sessions = _sessions(cells, SESSION_SD if session_sd is None else session_sd)
    sides = [[_without(runs, sessions.effects) for runs in (cell.before, cell.after)] for cell in cells]
    known = sum(len(runs) - 1 for both in sides for runs in both)
    kept = max(0.0, 1 - sessions.df / known) if known else 0.0
    layouts = _layouts(cells, [_residuals(both, kept) for both in sides])
    alike = likeness(list(layouts.values()))
    found: list[Shift | None] = []
    for cell in cells:
        counts = len(cell.before), len(cell.after)
        if min(counts) >= 2 or (alone and max(counts) >= 2):
            scatter = _scatter(layouts, cell, alike, kept * (sum(counts) - 2))
            run = scatter.variance * sum(1 / count for count in counts)
            df = scatter.df
        else:
            if any(run.own is None for runs in (cell.before, cell.after) for run in runs):
                found.append(None)
                continue
            parts = [
                Scatter(run.own.variance / len(runs) ** 2, run.own.df)
                for runs in (cell.before, cell.after)
                for run in runs
                if run.own is not None
            ]
            run, df = _sum(parts)
        session = sessions.variance * _unshared(cell)
        variance, df = _sum([Scatter(run, df), Scatter(session, sessions.total_df)])
        difference = _mean(cell.after) - _mean(cell.before)
        n = min(counts)
        found.append(Shift(difference, math.sqrt(variance), df, run * n, n, session))
    return found


@dataclass(frozen=True)
class _Sessions:
    """How far sessions lie apart: each one's effect, the variance, and what it was estimated with."""

    effects: Mapping[str, float]
    variance: float
    df: int

    @property
    def total_df(self) -> float:
        return self.df + SESSION_WEIGHT if self.df else math.inf


def _sessions(cells: Sequence[Sides], session_sd: float) -> _Sessions:
    """Estimate the effects of sessions that measured the same, from all techniques and workloads together."""
    left: dict[str, list[float]] = defaultdict(list)
    together: list[set[str]] = []
    known = 0
    for runs in (runs for cell in cells for runs in (cell.before, cell.after)):
        names = {run.session for run in runs}
        if len(names) < 2:
            continue
        known += len(runs) - 1
        mean = _mean(runs)
        for run in runs:
            left[run.session].append(run.value - mean)
        meeting = [group for group in together if group & names]
        together = [group for group in together if not group & names] + [names.union(*meeting)]
    df = sum(len(group) - 1 for group in together)
    if known <= df:  # each session has one run: what sessions do cannot be told from what runs do
        return _Sessions({}, session_sd**2, 0)
    effects = {name: math.fsum(values) / len(values) for name, values in left.items()}
    squares = math.fsum(effect**2 for effect in effects.values())
    variance = (SESSION_WEIGHT * session_sd**2 + squares) / (SESSION_WEIGHT + df)
    return _Sessions(effects, variance, df)


def _without(runs: Sequence[Run], effects: Mapping[str, float]) -> list[float]:
    return [run.value - effects.get(run.session, 0.0) for run in runs]


def _by_seed(cell: Sides) -> list[float]:
    """Return differences by seed; what several sessions gave for one seed is one value."""
    means = []
    for runs in (cell.before, cell.after):
        values: dict[int, list[float]] = defaultdict(list)
        for run in runs:
            values[run.seed].append(run.value)
        means.append({seed: math.fsum(found) / len(found) for seed, found in values.items()})
    before, after = means
    return [after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())]


def _one_side(values: Sequence[float]) -> Scatter:
    return _residuals([values], 1.0) if any(values) else Scatter(0.0, 0.0)


def _residuals(sides: Sequence[Sequence[float]], kept: float) -> Scatter:
    """Return the variance of values about the mean of their side."""
    squares, df = 0.0, 0.0
    for values in sides:
        if len(values) > 1:
            mean = math.fsum(values) / len(values)
            squares += math.fsum((value - mean) ** 2 for value in values)
            df += kept * (len(values) - 1)
    return Scatter(squares / df, df) if df else Scatter(0.0, 0.0)


def _layouts(cells: Sequence[Sides], scatters: Sequence[Scatter]) -> dict[Hashable, Layout]:
    """Put what scatters together by workload; what does not scatter at all tells nothing of what does."""
    rows: dict[Hashable, dict[str, Scatter]] = defaultdict(dict)
    for cell, scatter in zip(cells, scatters, strict=True):
        if scatter.variance > 0:
            rows[cell.workload][cell.technique] = scatter
    return {workload: Layout(found, _pooled(list(found.values()))) for workload, found in rows.items()}


def _pooled(scatters: Sequence[Scatter]) -> Scatter:
    df = math.fsum(one.df for one in scatters)
    return Scatter(math.fsum(one.variance * one.df for one in scatters) / df, df)


def _scatter(layouts: Mapping[Hashable, Layout], cell: Sides, alike: float, df: float) -> Scatter:
    layout = layouts.get(cell.workload)
    if layout is None or cell.technique not in layout.scatter:
        return Scatter(0.0, max(df, 1.0))
    return moderated(layout, cell.technique, alike)


def _sum(parts: Sequence[Scatter]) -> tuple[float, float]:
    """Add up variances; degrees of freedom by Satterthwaite 1946, doi:10.2307/3002019."""
    variance = math.fsum(part.variance for part in parts)
    spread = math.fsum(part.variance**2 / part.df for part in parts if part.df)
    return variance, variance**2 / spread if spread else math.inf


def _mean(runs: Sequence[Run]) -> float:
    return math.fsum(run.value for run in runs) / len(runs)


def _unshared(cell: Sides) -> float:
    """Return how much of the variance of a session is in the difference: none of one that both sides share alike."""
    before, after = (Counter(run.session for run in runs) for runs in (cell.before, cell.after))
    return math.fsum(
        (after[name] / len(cell.after) - before[name] / len(cell.before)) ** 2 for name in before | after
    )
