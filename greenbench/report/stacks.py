"""The tables of stacks: what techniques do together, beside what they do alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

from greenbench.report.sections import Section, distinct
from greenbench.report.table import Cell, Row, Table
from greenbench.report.values import Written
from greenbench.units import MISSING
from greenbench.verdict.quantities import SCORE
from greenbench.verdict.stacks import Interaction, stacks
from greenbench.verdict.statistics import Estimate

HOW = (
    "Effects are differences from the baseline of the same seeds, for costs ratios to it. Added are those of the parts, each "
    "alone; ratios are multiplied. The interaction is what the stack has more, or less: where its 95 % interval holds "
    "0 (a ratio of 1), the parts may as well do nothing to each other."
)


def stack_tables(section: Section) -> Iterator[Table]:
    """Build the tables of a section: one for each set of trainings with a stack in it."""
    found_sets = [(found, found_stacks) for found in section.sets if (found_stacks := stacks(found.records))]
    workloads = distinct(
        {found.records[0].case.workload: found.records[0].workload.title for found, _ in found_sets}
    )
    for found, found_stacks in found_sets:
        first = found.records[0]
        score, cost = SCORE.of(first.workload.metric), found_stacks[0].cost
        factor, unit = (100.0, "points") if score.unit == "%" else (1.0, score.unit)
        heading = f"{first.workload.metric.title}{f', {unit}' if unit else ''}"
        rows, notes = [], [HOW]
        for stack in found_stacks:
            records = tuple(r for r in found.records if r.case.technique == stack.technique)
            label = records[0].technique.title
            cells = (
                *_cells(stack.of_score, partial(_difference, factor)),
                *_cells(stack.of_cost, _ratio),
            )
            rows.append(Row(label, cells, records))
            shared = min((one.together.runs for one in (stack.of_score, stack.of_cost) if one), default=0)
            if stack.reason:
                notes.append(f"{label}: {stack.reason}.")
            elif shared < len(records):
                notes.append(
                    f"{label}: of {len(records)} seeds, {shared} are those of its parts and the baseline, too."
                )
        names = (heading, "Parts, added", "Interaction")
        of_costs = (f"{cost.title}, ×", "Parts, multiplied", "Interaction, ×")
        title = f"{workloads[first.case.workload]}: stacks{found.difference}"
        yield Table(title, (*names, *of_costs), tuple(rows), tuple(notes))


def _difference(factor: float, value: float) -> str:
    return f"{factor * value:+.1f}"


def _ratio(log_ratio: float) -> str:
    return f"{math.exp(log_ratio):.2f}"


def _cells(found: Interaction | None, write: Callable[[float], str]) -> list[Cell]:
    if found is None:
        return [Cell(Written(MISSING))] * 3
    return [Cell(_with_interval(one, write)) for one in (found.together, found.added, found.interaction)]


def _with_interval(one: Estimate, write: Callable[[float], str]) -> Written:
    if one.half_width is None:
        return Written(write(one.mean))
    low, high = one.mean - one.half_width, one.mean + one.half_width
    return Written(f"{write(one.mean)} ({write(low)} to {write(high)})")
