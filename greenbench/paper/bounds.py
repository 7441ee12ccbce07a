"""Tolerances that follow from the published tables: what the study itself lost and spent, and something for chance."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from greenbench.paper.cells import SI_FACTOR, Cell, published_cells
from greenbench.paper.effects import PAPER_SCALE, QUANTITIES
from greenbench.spec.technique import BASELINE
from greenbench.verdict.quantity import Quantity
from greenbench.verdict.tolerances import Tolerance

NOISE = 0.02
"""What a single run of the study may lose by chance: 2 points."""

MORE = 1.1
"""And what it may cost more: a tenth."""

FIRST_LOOK = "short"
"""A scale that nobody measured yet: there every technique may do what the worst of the study does."""


def published_bounds(quantities: Collection[str]) -> list[Tolerance]:
    """Return the rows of the scales `PAPER_SCALE` and `FIRST_LOOK`.

    A score has a row for each data set. A cost has one for all, with the largest ratio to the baseline in any table.

    Parameters
    ----------
    quantities
        Names of those that get rows.
    """
    lost: dict[tuple[str, str | None], dict[str, float]] = {}
    for cell, quantity in _cells(quantities):
        baseline = next(c for c in published_cells() if _place(c) == _place(cell) and c.technique == BASELINE)
        place = quantity.name, cell.dataset if quantity.is_score else None
        allowed = _allowed(quantity, cell, baseline)
        by_technique = lost.setdefault(place, {})
        by_technique[cell.technique] = max(allowed, by_technique.get(cell.technique, 0.0))
    rows = []
    for (name, workload), by_technique in lost.items():
        is_score = workload is not None
        general = NOISE if is_score else MORE
        source = "the study's drop and 2 points" if is_score else "the study's largest ratio and a tenth"
        own = {technique: allowed for technique, allowed in by_technique.items() if allowed > general}
        rows += [
            _row(PAPER_SCALE, name, source, is_score, allowed, technique, workload)
            for technique, allowed in ({None: general} | own).items()
        ]
    for name in dict.fromkeys(name for name, _ in lost):
        found = [max(of.values()) for (other, _), of in lost.items() if other == name]
        is_score = any(workload for other, workload in lost if other == name)
        rows.append(_row(FIRST_LOOK, name, "the study's worst, see paper", is_score, max(found)))
    return rows


def _cells(quantities: Collection[str]) -> Iterator[tuple[Cell, Quantity]]:
    for cell in published_cells():
        quantity = QUANTITIES[cell.metric][0]
        if quantity.name in quantities and cell.technique != BASELINE:
            yield cell, quantity


def _place(cell: Cell) -> tuple[int, str, str]:
    return cell.table, cell.dataset, cell.metric


def _allowed(quantity: Quantity, cell: Cell, baseline: Cell) -> float:
    ours, theirs = (c.value * SI_FACTOR[c.unit] for c in (cell, baseline))
    if quantity.is_score:
        return round(max(0.0, theirs - ours) + NOISE, 4)
    return math.ceil(round(100 * MORE * ours / theirs, 6)) / 100


def _row(
    scale: str,
    quantity: str,
    source: str,
    is_score: bool,
    allowed: float,
    technique: str | None = None,
    workload: str | None = None,
) -> Tolerance:
    drop, ratio = (allowed, None) if is_score else (None, allowed)
    return Tolerance(scale, quantity, source, technique, workload, drop, ratio)
