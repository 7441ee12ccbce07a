"""The first table of a report: which techniques pay, over all workloads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from greenbench.energy.carbon import CarbonIntensity, co2_kg
from greenbench.records.record import Record, by_technique
from greenbench.report.sections import ComparableSet, Section, distinct, row_order
from greenbench.report.table import Cell, Row, Table
from greenbench.report.values import Written, measured
from greenbench.spec.case import IMPORTED
from greenbench.spec.technique import BASELINE
from greenbench.units import MISSING, si
from greenbench.verdict.quantities import SCORE, TRAIN_ENERGY
from greenbench.verdict.statistics import Estimate
from greenbench.verdict.to_target import cost_of
from greenbench.verdict.verdict import Verdict

YES, NO, OPEN = "yes", "no", "not decided"

HOW = (
    "It pays: a better score on some workload and a worse one on none, or the same score on all of them at less cost on some and "
    "more on none. It does not: a worse score on some and a better one on none, or the same on all at more cost on some and less "
    "on none. All else is not decided. Gain and {cost} are means over the workloads, of differences and of ratios to the "
    "baseline, with their 95 % intervals. To the score: of the {cost} until the baseline's last score is reached, where all runs reach it."
)


@dataclass(frozen=True)
class _Found:
    """What one technique gave on one workload."""

    workload: str
    score: Verdict
    cost: Verdict | None
    to_score: float | None
    records: tuple[Record, ...]


def pays_table(section: Section, intensity: CarbonIntensity) -> Iterator[Table]:
    """Yield the table of a section that has verdicts on the scores of trainings, or of imported runs."""
    sets = [
        found
        for found in section.sets
        if any(one.quantity == SCORE.name for one in found.verdicts)
        and found.records[0].case.kind in ("training", IMPORTED)
    ]
    if not sets:
        return
    cost = cost_of([record for found in sets for record in found.records])
    workloads = distinct({of.records[0].case.workload: of.records[0].workload.title for of in sets})
    found = _by_technique(sets, workloads, cost.name)
    in_points = all(of.records[0].workload.metric.unit == "%" for of in sets)
    in_joules = cost is TRAIN_ENERGY
    firsts = {name: ones[0].records[0] for name, ones in found.items()}
    titles = distinct({name: first.technique.title for name, first in firsts.items()})
    rows = [
        Row(
            titles[name],
            (
                _pays(found[name]),
                _gain(found[name]) if in_points else Cell(Written(MISSING)),
                _ratio([one.cost for one in found[name]]),
                _to_score(found[name]),
                *([_co2(found[name], intensity)] if in_joules else []),
                Cell(Written(_words(found[name]))),
            ),
            tuple(record for one in found[name] for record in one.records),
        )
        for name in sorted(found, key=lambda name: row_order(firsts[name]))
    ]
    of_co2 = ("CO₂",) if in_joules else ()
    columns = ("Pays", "Gain", cost.title, "To the score", *of_co2, "Score")
    *before, last = workloads.values()
    where = f"{', '.join(before)} and {last}" if before else last
    notes = [HOW.format(cost=cost.title.lower())]
    if in_joules:
        notes.append(f"CO₂ is that of one training on each of the workloads, at {intensity}.")
    yield Table(f"Which techniques pay, on {where}", columns, tuple(rows), tuple(notes))


def _by_technique(
    sets: Sequence[ComparableSet], workloads: Mapping[str, str], cost: str
) -> dict[str, list[_Found]]:
    """Return what each technique gave, workload by workload; of several sets of one workload, the newest counts."""
    found: dict[str, list[_Found]] = {}
    seen: set[tuple[str, str]] = set()
    for of in sets:
        workload = of.records[0].case.workload
        records = by_technique(of.records)
        costs = {one.technique: one for one in of.verdicts if one.quantity == cost}
        ratios = {
            one.technique: one.ratio
            for one in of.targets
            if not one.stated and one.reached and not one.restricted
        }
        for one in of.verdicts:
            if one.quantity != SCORE.name or one.technique == BASELINE or (one.technique, workload) in seen:
                continue
            seen.add((one.technique, workload))
            found.setdefault(one.technique, []).append(
                _Found(
                    workloads[workload],
                    one,
                    costs.get(one.technique),
                    ratios.get(one.technique),
                    tuple(records[one.technique]),
                )
            )
    return found


def _pays(found: Sequence[_Found]) -> Cell:
    scores = {one.score.word for one in found}
    costs = {one.cost.word if one.cost else "undecided" for one in found}
    if scores == {"same"}:
        good, bad = "better" in costs, "worse" in costs
    else:
        good, bad = "better" in scores, "worse" in scores
    if good == bad:
        return Cell(Written(OPEN), number=0)
    return (
        Cell(Written(YES), verdict="better", number=1)
        if good
        else Cell(Written(NO), verdict="worse", number=-1)
    )


def _co2(found: Sequence[_Found], intensity: CarbonIntensity) -> Cell:
    means = [measured(TRAIN_ENERGY, one.records) for one in found]
    known = [mean.mean for mean in means if mean is not None]
    if len(known) < len(means):
        return Cell(Written(MISSING))
    grams = 1000 * (co2_kg(math.fsum(known), intensity) or 0.0)
    return Cell(Written(si(grams, "g")), number=grams)


def _words(found: Sequence[_Found]) -> str:
    """Say on which workloads the score is what; without their names where it is so on all."""
    if len({one.score.word for one in found}) == 1:
        return found[0].score.word
    words = [
        word for word in ("better", "same", "worse", "undecided") if any(f.score.word == word for f in found)
    ]
    return ", ".join(
        f"{word} on {' and '.join(one.workload for one in found if one.score.word == word)}" for word in words
    )


def _mean(found: Sequence[Verdict | None]) -> Estimate | None:
    """Return the mean of some differences, with what their intervals say of it."""
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    halves = [one.half_width for one in known if one.half_width is not None]
    half = math.hypot(*halves) / len(known) if len(halves) == len(known) else None
    return Estimate(math.fsum(one.difference for one in known) / len(known), len(known), half)


def _gain(found: Sequence[_Found]) -> Cell:
    sign = 1 if found[0].records[0].workload.metric.better == "higher" else -1
    mean = _mean([one.score for one in found])
    if mean is None:
        return Cell(Written(MISSING))
    half = "" if mean.half_width is None else f"{100 * mean.half_width:.1f}"
    return Cell(Written(f"{sign * 100 * mean.mean:+.1f}", half), number=sign * mean.mean)


def _ratio(found: Sequence[Verdict | None]) -> Cell:
    mean = _mean(found)
    if mean is None:
        return Cell(Written(MISSING))
    text = f"{math.exp(mean.mean):.2f} ×"
    if mean.half_width is not None:
        low, high = (math.exp(mean.mean + side * mean.half_width) for side in (-1, 1))
        text = f"{text} ({low:.2f} to {high:.2f})"
    return Cell(Written(text), number=mean.mean)


def _to_score(found: Sequence[_Found]) -> Cell:
    ratios = [one.to_score for one in found if one.to_score]
    if len(ratios) < len(found):
        return Cell(Written(MISSING))
    mean = math.fsum(map(math.log, ratios)) / len(ratios)
    return Cell(Written(f"{math.exp(mean):.2f} ×"), number=mean)
