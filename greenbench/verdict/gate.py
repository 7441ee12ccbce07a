"""The gate between two versions of the code: what got worse, by how much, and how surely.

A quantity fails where its runs are worse than before beyond chance, and a loss as large as its limit cannot be excluded. Of
changes that make nothing worse, at most `FALSE_ALARMS` fail, over all rows together (Holm 1979); a loss of the limit
passes as no worse in at most `OVERLOOKED` of cases. What is neither is undecided, and says how many more runs would tell.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from greenbench.records.conditions import UNDISTURBED
from greenbench.records.record import Record
from greenbench.verdict.family import holm
from greenbench.verdict.limits import Limit, limit_of
from greenbench.verdict.misses import without_result
from greenbench.verdict.noise import Scatter
from greenbench.verdict.quantities import QUANTITIES
from greenbench.verdict.quantity import Quantity
from greenbench.verdict.shift import Run, Shift, Sides, moved_costs, moved_scores
from greenbench.verdict.versions import Meeting, in_words, lost, meetings

FALSE_ALARMS = 0.01
"""Share of changes without a loss that fail, over all rows together."""

OVERLOOKED = 0.025
"""Share of losses of the limit that are taken for less, row by row."""

MOST_RUNS = 1000

Word = Literal["worse", "better", "holds", "undecided", "failed", "new", "not comparable", "not measured"]

ONE_RUN = "one run, no verdict"


@dataclass(frozen=True)
class Change:
    """One quantity of one technique on one workload, before and after.

    Attributes
    ----------
    kind, workload, technique, scale, mode, machine, quantity
        What was compared; the quantity ``status`` is a run without a result.
    word
        ``worse`` and ``failed`` fail. ``better`` is beyond chance, too. ``holds``: a loss of the limit is excluded.
    before, after
        Means over runs, geometric ones for costs.
    n_before, n_after
        Runs.
    change, low, high
        After minus before, for costs as a fraction of before, and its 95 % interval, this row taken alone.
    limit
        The largest loss that is allowed, as a positive number.
    unit
        Of `before` and `after`: ``%`` for fractions, an SI unit, or empty.
    p
        Of no loss, adjusted for all rows that have a limit.
    more_runs
        How many more on each side would decide; None where it is decided, or where no number would.
    reason
        Why it is not decided, compared or measured.
    code
        What of the code differs.
    """

    kind: str
    workload: str
    technique: str
    scale: str
    mode: str
    machine: str
    quantity: str
    word: Word
    before: float | None = None
    after: float | None = None
    n_before: int = 0
    n_after: int = 0
    change: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    unit: str = ""
    p: float | None = None
    more_runs: int | None = None
    reason: str = ""
    code: tuple[str, ...] = ()

    @property
    def is_score(self) -> bool:
        """Whether `change` is a difference, and not a fraction."""
        return self.quantity in QUANTITIES and QUANTITIES[self.quantity].is_score


@dataclass
class _Cell:
    """A row under way: the quantity with the metric's direction, its runs, and how far it moved."""

    row: Change
    quantity: Quantity
    sides: Sides
    limit: float
    shift: Shift | None = None


def compare(before: Sequence[Record], after: Sequence[Record], limits: Collection[Limit]) -> list[Change]:
    """Return a row for each quantity with a limit, of each technique on each workload that was run after.

    Parameters
    ----------
    before, after
        Records of two versions of the code, each of any number of sessions and machines.
    limits
        From `greenbench.verdict.limits.read_limits`.
    """
    rows: list[Change] = [
        replace(_blank(record, "status", "failed"), reason=miss.message)
        for record in lost(before, after, lambda record: without_result(record) is not None)
        if (miss := without_result(record)) is not None
    ]
    cells: list[_Cell] = []
    for meeting in meetings(before, after):
        for one in _cells(meeting, limits):
            if isinstance(one, _Cell):
                cells.append(one)
            else:
                rows.append(one)
    _move(cells)
    return [*rows, *_decided(cells)]


def _cells(meeting: Meeting, limits: Collection[Limit]) -> Iterator[_Cell | Change]:
    first = meeting.after[0]
    for name, found in QUANTITIES.items():
        quantity = found.of(first.workload.metric)
        limit = limit_of(quantity, first.workload.metric, limits)
        if limit is None or quantity.kind != first.case.kind:
            continue
        if not meeting.before:
            if any(quantity.take(record) is not None for record in meeting.after):
                word: Word = "not comparable" if meeting.unlike else "new"
                yield replace(_blank(first, name, word), reason=meeting.unlike)
            continue
        yield from _cell(quantity, meeting, limit)


def _cell(quantity: Quantity, meeting: Meeting, limit: float) -> Iterator[_Cell | Change]:
    blank = replace(
        _blank(meeting.after[0], quantity.name, "undecided"),
        limit=abs(_shown(quantity, limit if quantity.better == "lower" else -limit)),
        unit=quantity.unit,
        code=meeting.code,
    )
    before, after = _alike(quantity, meeting.before), _alike(quantity, meeting.after)
    if quantity.is_timed and (before[0].disturbed is None) != (after[0].disturbed is None):
        reason = in_words((UNDISTURBED, before[0].disturbed is None, after[0].disturbed is None))
        yield replace(blank, word="not comparable", reason=reason)
        return
    earlier, now = runs_of(quantity, before), runs_of(quantity, after)
    if not earlier and not now:
        return
    if not earlier or not now:
        which = before if not earlier else after
        reason = next(filter(None, map(quantity.why_missing, which)), "no value that can be compared")
        yield replace(blank, word="not measured", reason=f"{'before' if not earlier else 'now'}: {reason}")
        return
    row = replace(
        blank,
        before=_center(quantity, earlier),
        after=_center(quantity, now),
        n_before=len(earlier),
        n_after=len(now),
    )
    images = meeting.after[0].workload.validation_images
    sides = Sides(
        _place(meeting.after[0]),
        meeting.after[0].case.technique,
        earlier,
        now,
        1 / images if quantity.unit == "%" and images else 0.0,
    )
    yield _Cell(row, quantity, sides, limit)


def _move(cells: Sequence[_Cell]) -> None:
    """Find how far each cell moved; one quantity's cells tell together how it scatters."""
    for name in dict.fromkeys(cell.quantity.name for cell in cells):
        ours = [cell for cell in cells if cell.quantity.name == name]
        quantity = ours[0].quantity
        sides = [cell.sides for cell in ours]
        if quantity.exact:
            shifts: Sequence[Shift | None] = [
                Shift(_counted(one.after) - _counted(one.before), 0.0, math.inf, 0.0, 1) for one in sides
            ]
        else:
            shifts = (moved_scores if quantity.is_score else moved_costs)(sides)
        for cell, shift in zip(ours, shifts, strict=True):
            cell.shift = shift


def _decided(cells: Sequence[_Cell]) -> Iterator[Change]:
    known = [(cell, shift) for cell in cells if (shift := _loss(cell)) is not None]
    worse = _family([loss for _, loss in known])
    better = _family([_turned(loss) for _, loss in known])
    family = sum(loss.error > 0 for _, loss in known)
    for cell in cells:
        if cell.shift is None:
            few = min(cell.row.n_before, cell.row.n_after)
            reason = ONE_RUN if few < 2 else "no two seeds were run on both sides"
            yield replace(cell.row, reason=reason, more_runs=max(1, 2 - few))
    for (cell, loss), p, p_better in zip(known, worse, better, strict=True):
        moved = loss.difference if cell.quantity.better == "lower" else -loss.difference
        half = loss.half_width(0.025)
        change, low, high = (_shown(cell.quantity, x) for x in (moved, moved - half, moved + half))
        row = replace(cell.row, change=change, low=low, high=high, p=p)
        excluded = loss.difference + loss.half_width(OVERLOOKED) <= cell.limit
        if p <= FALSE_ALARMS and not excluded:
            yield replace(row, word="worse")
        elif p_better <= FALSE_ALARMS:
            yield replace(row, word="better")
        elif excluded:
            yield replace(row, word="holds")
        else:
            more, reason = _more_runs(loss, cell.limit, family)
            yield replace(row, more_runs=more, reason=reason)


def _family(losses: Sequence[Shift]) -> list[float]:
    """Return p-values of no loss, adjusted for the number of those that chance has a part in."""
    adjusted = iter(holm([loss.worse() for loss in losses if loss.error]))
    return [next(adjusted) if loss.error else loss.worse() for loss in losses]


def _loss(cell: _Cell) -> Shift | None:
    """Return the shift with what is worse above zero."""
    return cell.shift if cell.shift is None or cell.quantity.better == "lower" else _turned(cell.shift)


def _turned(shift: Shift) -> Shift:
    return replace(shift, difference=-shift.difference)


def _more_runs(loss: Shift, limit: float, rows: int) -> tuple[int | None, str]:
    """Return how many more runs on each side would tell no loss from one of the limit, if they go on as they did."""
    from scipy.stats import t

    def enough(n: int) -> bool:
        df = loss.df * n / loss.n
        error = math.sqrt(loss.run / n + loss.session)
        return float(t.isf(FALSE_ALARMS / rows, df) + t.isf(OVERLOOKED, df)) * error <= limit

    needed = bisect_left(range(MOST_RUNS), True, lo=loss.n + 1, key=enough)
    if needed < MOST_RUNS:
        return needed - loss.n, "the runs scatter too much to tell"
    if loss.session:
        return None, "the runs scatter too much to tell: run more sessions on both sides, in turn"
    return None, f"more than {MOST_RUNS} runs would be needed"


def _alike(quantity: Quantity, records: Sequence[Record]) -> Sequence[Record]:
    """Return the records that nobody disturbed, for times where there are such."""
    calm = [record for record in records if record.disturbed is None] if quantity.is_timed else []
    return calm or records


def runs_of(quantity: Quantity, records: Sequence[Record]) -> list[Run]:
    """Return the values of records, logarithms for costs; what was not measured, or is no number, is left out."""
    runs = []
    for record in records:
        value = quantity.take(record)
        if value is None or not math.isfinite(value) or (value <= 0 and not quantity.is_score):
            continue
        logged = value if quantity.is_score else math.log(value)
        runs.append(Run(record.case.seed, record.session, logged, _own(quantity, record, value)))
    return runs


def _own(quantity: Quantity, record: Record, value: float) -> Scatter | None:
    """Return how far one run's repeats, or its own error, let the logarithm of its value scatter."""
    if quantity.is_score:
        return None
    if quantity.repeats is not None:
        logs = [math.log(repeat) for repeat in quantity.repeats(record) if repeat > 0]
        if len(logs) < 2:
            return None
        mean = math.fsum(logs) / len(logs)
        variance = math.fsum((one - mean) ** 2 for one in logs) / (len(logs) - 1)
        return Scatter(variance / len(logs), len(logs) - 1)
    half = quantity.half_width(record) if quantity.half_width is not None else None
    if half is None and quantity.reading is not None:
        reading = quantity.reading(record)
        half = None if reading is None else reading.comparison_uncertainty_j
    return None if half is None else Scatter((half / 2 / value) ** 2, math.inf)


def _center(quantity: Quantity, runs: Sequence[Run]) -> float:
    mean = _middle(runs)
    return mean if quantity.is_score else math.exp(mean)


def _shown(quantity: Quantity, moved: float) -> float:
    """Return a difference of logarithms as a fraction, and one of scores as it is."""
    return moved if quantity.is_score else math.expm1(moved)


def _middle(runs: Sequence[Run]) -> float:
    return math.fsum(run.value for run in runs) / len(runs)


def _counted(runs: Sequence[Run]) -> float:
    """Return what all runs count, to the last digit."""
    return median(run.value for run in runs)


def _place(record: Record) -> tuple[str, ...]:
    case = record.case
    return case.workload, case.kind, case.scale, case.mode, record.machine.key


def _blank(record: Record, quantity: str, word: Word) -> Change:
    case = record.case
    machine = record.machine.gpu or record.machine.cpu
    return Change(case.kind, case.workload, case.technique, case.scale, case.mode, machine, quantity, word)


def count_words(rows: Sequence[Change]) -> Mapping[Word, int]:
    """Return how many rows there are of each word, in the order of the words."""
    words: tuple[Word, ...] = (
        "failed",
        "worse",
        "undecided",
        "better",
        "holds",
        "not comparable",
        "not measured",
        "new",
    )
    counts = {word: sum(row.word == word for row in rows) for word in words}
    return {word: n for word, n in counts.items() if n}
