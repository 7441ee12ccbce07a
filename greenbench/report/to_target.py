"""The tables of what it costs to reach a score, and of what is on the front of score against cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from greenbench.records.record import Record, by_technique
from greenbench.report.sections import ComparableSet, Section, distinct
from greenbench.report.table import Cell, Row, Table
from greenbench.report.values import Written, mark, shown, written
from greenbench.spec.technique import BASELINE
from greenbench.units import MISSING
from greenbench.verdict.front import OnFront, front
from greenbench.verdict.imported_quantities import STEPS
from greenbench.verdict.quantities import QUANTITIES, SCORE, Quantity
from greenbench.verdict.statistics import Estimate
from greenbench.verdict.to_target import ToTarget, cost_of

HOW = (
    "A run reaches the score at the end of the first evaluated epoch that has it, and its teacher's training counts. "
    "Steps and {cost} are medians over the runs; – where half of the runs or more never reach it. The ratio to the "
    "baseline is of pairs of one seed, with its 95 % interval, where all runs reach it (t-test of its logarithm). Else "
    "(≈) it is of means in which such a run counts with the most that any compared run cost, and the test is the "
    "log-rank test, which needs four runs a side. p is corrected for the number of techniques (Holm)."
)
OF_THE_FRONT = (
    "On the front: no other technique has both a better last score and a lower {cost} of the whole training. The percentage is "
    "the share of resampled sets of seeds in which that is so."
)
TOO_SOON = "A target that is the mean of the baseline's last scores is missed by about half of the baseline's own runs."


def target_tables(section: Section) -> Iterator[Table]:
    """Build the tables of a section: for each set of trainings one for each target, or that of the front without any."""
    trained = [(found, fronts) for found in section.sets if (fronts := front(found.records)) or found.targets]
    workloads = distinct(
        {found.records[0].case.workload: found.records[0].workload.title for found, _ in trained}
    )
    for found, fronts in trained:
        rows = found.targets
        if not rows:
            yield _front_table(workloads[found.records[0].case.workload], found, fronts)
        for stated, target in dict.fromkeys((row.stated, row.target) for row in rows):
            chosen = [row for row in rows if (row.stated, row.target) == (stated, target)]
            yield _table(
                workloads[chosen[0].workload],
                found,
                chosen,
                {} if stated else fronts,
            )


def _table(
    workload: str, found: ComparableSet, rows: Sequence[ToTarget], fronts: Mapping[str, OnFront]
) -> Table:
    first = found.records[0]
    score, cost = SCORE.of(first.workload.metric), QUANTITIES[rows[0].quantity]
    runs, titles = _by_technique(found)
    target = shown(written(score, Estimate(rows[0].target, 1, None)))
    whose = "" if rows[0].stated else "the baseline's "
    costs = () if cost is STEPS else (cost.title,)
    steps = ("Steps",) if any(row.steps is not None for row in rows) else ()
    columns = ("Reached", *steps, *costs, "Ratio", "Verdict", *(("On the front",) if fronts else ()))
    ratios = [row.ratio for row in rows if row.ratio is not None and row.word == "better"]
    done = []
    of_technique = {row.technique: row for row in rows}
    for name, records in runs.items():
        row = of_technique[name]
        cells = [
            Cell(Written(f"{row.reached} of {row.n}")),
            *(Cell(Written(MISSING if row.steps is None else f"{row.steps:.0f}")) for _ in steps),
            *(_cost(row, cost, records) for _ in costs),
            Cell(_ratio(row), "", row.word if row.p is not None else "", _is_best(row, ratios), row.ratio),
            Cell(Written(_word(row))),
        ]
        if fronts:
            cells.append(Cell(Written(_front(fronts.get(name)))))
        done.append(Row(titles[name], tuple(cells), tuple(records)))
    notes = [HOW.format(cost=cost.title.lower())]
    if not rows[0].stated and rows[0].reached < rows[0].n:
        notes.append(TOO_SOON)
    if fronts:
        notes.append(OF_THE_FRONT.format(cost=cost.title.lower()))
    return Table(
        f"{workload}: cost to reach {whose}{target}{found.difference}", columns, tuple(done), tuple(notes)
    )


def _cost(row: ToTarget, cost: Quantity, records: Sequence[Record]) -> Cell:
    if row.cost is None:
        return Cell(Written(MISSING))
    return Cell(written(cost, Estimate(row.cost, 1, None)), mark(cost, records), number=row.cost)


def _front_table(workload: str, found: ComparableSet, fronts: Mapping[str, OnFront]) -> Table:
    """Return where techniques stand on the front, for runs that were evaluated at their end alone."""
    runs, titles = _by_technique(found)
    cost = cost_of(found.records).title.lower()
    rows = [
        Row(titles[name], (Cell(Written(_front(fronts.get(name)))),), tuple(records))
        for name, records in runs.items()
    ]
    title = f"{workload}: front of score against {cost}{found.difference}"
    return Table(title, ("On the front",), tuple(rows), (OF_THE_FRONT.format(cost=cost),))


def _by_technique(found: ComparableSet) -> tuple[dict[str, list[Record]], dict[str, str]]:
    """Return the records of each technique, and the titles."""
    records = by_technique(found.records)
    return records, distinct({name: of_name[0].technique.title for name, of_name in records.items()})


def _is_best(row: ToTarget, ratios: Sequence[float]) -> bool:
    return row.word == "better" and row.ratio is not None and row.ratio == min(ratios)


def _ratio(row: ToTarget) -> Written:
    if row.ratio is None or not row.reached:
        return Written("" if row.technique == BASELINE else MISSING)
    if row.low is None or row.high is None:
        return Written(f"{'≈ ' if row.restricted else ''}{row.ratio:.2f} ×")
    return Written(f"{row.ratio:.2f} × ({row.low:.2f} to {row.high:.2f})")


def _word(row: ToTarget) -> str:
    if row.technique == BASELINE:
        return ""
    if row.p is None:
        return row.reason or row.word
    return f"{row.word}, p {'< 0.001' if row.p < 0.001 else f'= {row.p:.3f}'}"


def _front(place: OnFront | None) -> str:
    if place is None:
        return MISSING
    sure = "" if place.probability is None else f", {100 * place.probability:.0f}%"
    return f"{'yes' if place.is_on else 'no'}{sure}"
