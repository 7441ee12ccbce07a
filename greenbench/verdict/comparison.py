"""Techniques against one baseline in one quantity: the differences, and what is known of their errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from greenbench.records.record import Record, by_technique
from greenbench.spec.technique import BASELINE
from greenbench.verdict.family import Contrast
from greenbench.verdict.margins import load_margins
from greenbench.verdict.noise import Layout, Scatter, apart, likeness, moderated, without_wild
from greenbench.verdict.quantities import QUANTITIES, Quantity
from greenbench.verdict.statistics import chance_above, paired_difference

Values = Mapping[int, float]
"""By seed."""

Noise: TypeAlias = "tuple[Layout, Mapping[str, Scatter]] | None"
"""Of the techniques that scatter alike, and of those that do not; None for what is counted."""


@dataclass(frozen=True)
class Comparison:
    """One technique against the baseline.

    Attributes
    ----------
    records
        Of the technique.
    n
        Pairs of runs.
    difference
        Mean of technique - baseline for scores, of log(technique / baseline) for costs.
    margin
        Of differences that do not matter.
    variance, baseline_variance
        Of one run.
    df
        Degrees of freedom that they were estimated with.
    """

    quantity: Quantity
    records: tuple[Record, ...]
    n: int
    difference: float
    margin: float
    variance: float = 0.0
    baseline_variance: float = 0.0
    df: float = 0.0

    @property
    def gain(self) -> float:
        """The difference, positive where it is good."""
        return self.difference if self.quantity.better == "higher" else -self.difference

    @property
    def spread(self) -> float:
        """Standard deviation of the difference between two runs."""
        return math.sqrt(self.variance + self.baseline_variance)

    @property
    def standard_error(self) -> float:
        """Of the difference."""
        return self.spread / math.sqrt(self.n)

    @property
    def has_error(self) -> bool:
        """Whether the runs tell how far off the difference may be."""
        return self.n > 1 and self.df > 0

    @property
    def contrast(self) -> Contrast:
        """The test of no difference."""
        share = self.baseline_variance / self.spread**2 if self.spread else 0.5
        return Contrast(_ratio(self.difference, self.standard_error), self.df, share)

    @property
    def p_outside(self) -> float:
        """P-value of a difference that is not within the margin: the greater of two one-sided tests."""
        room = self.margin - abs(self.difference)
        return chance_above(_ratio(room, self.standard_error), self.df)


@dataclass(frozen=True)
class Group:
    """One quantity of comparable records: the values of the baseline, and of each technique that has all of its own.

    A technique with a run that diverged, or was not measured, is left out: its other runs must not speak for it.
    """

    quantity: Quantity
    records: Mapping[str, tuple[Record, ...]]
    values: Mapping[str, Values]


def compared(groups: Sequence[Group]) -> list[list[Comparison]]:
    """Compare all techniques of a study with their baselines, group by group.

    How far a technique scatters is told by all workloads together; how alike techniques do, by all scores, or all costs.
    """
    noises: list[Noise] = [None] * len(groups)
    for name in {group.quantity.name for group in groups if not group.quantity.exact}:
        places = [place for place, group in enumerate(groups) if group.quantity.name == name]
        tables = [groups[place].values for place in places]
        layouts = without_wild(tables)
        for place, layout, wild in zip(places, layouts, apart(tables, layouts), strict=True):
            noises[place] = layout, wild
    alike = {
        is_score: likeness(
            [
                noise[0]
                for group, noise in zip(groups, noises, strict=True)
                if noise and group.quantity.is_score == is_score
            ]
        )
        for is_score in (True, False)
    }
    return [
        list(_compared(group, noise, alike[group.quantity.is_score]))
        for group, noise in zip(groups, noises, strict=True)
    ]


def groups(records: Sequence[Record]) -> list[Group]:
    """Return the quantities in which some comparable records can be compared with their baseline."""
    rows = by_technique(records)
    if BASELINE not in rows:
        return []
    rows = {BASELINE: rows.pop(BASELINE), **rows}
    found = []
    for quantity in QUANTITIES.values():
        quantity = quantity.of(records[0].workload.metric)
        theirs = _values(quantity, rows[BASELINE])
        values = {BASELINE: theirs} if theirs else {}
        for name, ours in rows.items() if theirs else ():
            taken = _values(quantity, ours)
            if name != BASELINE and len(taken) == len(ours) and not taken.keys().isdisjoint(theirs):
                values[name] = taken
        if len(values) > 1:
            found.append(Group(quantity, {name: tuple(rows[name]) for name in values}, values))
    return found


def _compared(group: Group, noise: Noise, alike: float) -> Iterator[Comparison]:
    theirs, quantity = group.values[BASELINE], group.quantity
    margin = load_margins().of(quantity, math.fsum(theirs.values()) / len(theirs))
    for name, ours in group.values.items():
        found = paired_difference(ours, theirs)
        if name == BASELINE or found is None:
            continue
        records = group.records[name]
        comparison = Comparison(quantity, records, found.runs, found.mean, margin)
        if noise is None or found.runs < 2:
            yield comparison
            continue
        layout, wild = noise
        alone = wild.get(name)
        own, baseline = (alone or moderated(layout, row, alike) for row in (name, BASELINE))
        rounding = _rounding_variance(quantity, records[0])
        yield replace(
            comparison,
            variance=own.variance + rounding,
            baseline_variance=baseline.variance + rounding,
            df=min(own.df, baseline.df),
        )


def _values(quantity: Quantity, records: Sequence[Record]) -> Values:
    values = quantity.by_seed(records)
    if quantity.is_score:
        return values
    return {seed: math.log(value) for seed, value in values.items() if value > 0}


def _rounding_variance(quantity: Quantity, record: Record) -> float:
    """Return what a share of so many images is off by at least: equal scores by chance are not certainty."""
    images = record.workload.validation_images
    return 1 / (12 * images**2) if quantity.is_score and quantity.unit == "%" and images else 0.0


def _ratio(value: float, error: float) -> float:
    return value / error if error else math.copysign(math.inf, value) if value else 0.0
