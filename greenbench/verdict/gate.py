"""The gate between two versions of the code: what got worse, by how much, and how surely.

A quantity fails where its runs are worse than before beyond chance, and a loss as large as its limit cannot be excluded. Of
changes that make nothing worse, at most `FALSE_ALARMS` fail, over all rows together (Holm 1979); a loss of the limit
passes as no worse in at most `OVERLOOKED` of cases. What is neither is undecided, and says how many more runs would tell.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from greenbench.records.record import Record
from greenbench.verdict.change import Change, Pending, Word, blank, moved, pending
from greenbench.verdict.family import holm
from greenbench.verdict.limits import Limit, limit_of
from greenbench.verdict.misses import without_result
from greenbench.verdict.quantities import QUANTITIES
from greenbench.verdict.shift import Shift
from greenbench.verdict.statistics import quantile
from greenbench.verdict.verdict import ONE_RUN
from greenbench.verdict.versions import Meeting, lost, meetings

FALSE_ALARMS = 0.01
"""Share of changes without a loss that fail, over all rows together."""

OVERLOOKED = 0.025
"""Share of losses of the limit that are taken for less, row by row."""

MOST_RUNS = 1000


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
        replace(blank(record, "status", "failed"), reason=miss.message)
        for record in lost(before, after, lambda record: without_result(record) is not None)
        if (miss := without_result(record)) is not None
    ]
    found = [one for meeting in meetings(before, after) for one in _cells(meeting, limits)]
    rows += [one for one in found if isinstance(one, Change)]
    return [*rows, *_decided([one for one in found if isinstance(one, Pending)])]


def _cells(meeting: Meeting, limits: Collection[Limit]) -> Iterator[Pending | Change]:
    first = meeting.after[0]
    for name, found in QUANTITIES.items():
        quantity = found.of(first.workload.metric)
        limit = limit_of(quantity, first.workload.metric, limits)
        if limit is None:
            continue
        if not meeting.before:
            measured = any(quantity.take(record) is not None for record in meeting.after)
            if measured or quantity.kind == first.case.kind:
                word: Word = "not comparable" if meeting.unlike else "new"
                yield replace(blank(first, name, word), reason=meeting.unlike)
            continue
        row = replace(
            blank(first, name, "undecided"),
            limit=limit,
            code=meeting.code,
        )
        one = pending(row, quantity, meeting.before, meeting.after)
        if one is not None:
            yield one
        elif quantity.kind == first.case.kind:
            reason = quantity.why_missing(first) or "nobody measured it"
            yield replace(row, word="not measured", reason=f"before and now: {reason}")


def _decided(cells: Sequence[Pending]) -> Iterator[Change]:
    shifts = moved(cells)
    known = [
        (cell, _loss(cell, shift)) for cell, shift in zip(cells, shifts, strict=True) if shift is not None
    ]
    worse = _family([loss for _, loss in known])
    better = _family([loss.turned for _, loss in known])
    family = sum(loss.error > 0 for _, loss in known)
    for cell, shift in zip(cells, shifts, strict=True):
        if shift is None:
            few = min(cell.row.n_before, cell.row.n_after)
            reason = ONE_RUN if few < 2 else "no two seeds were run on both sides"
            yield replace(cell.row, reason=reason, more_runs=max(1, 2 - few))
    for (cell, loss), p, p_better in zip(known, worse, better, strict=True):
        row = replace(cell.with_shift(_loss(cell, loss)), p=p)
        limit = _allowed(cell)
        excluded = loss.difference + loss.half_width(OVERLOOKED) <= limit
        if p <= FALSE_ALARMS and not excluded:
            yield replace(row, word="worse")
        elif p_better <= FALSE_ALARMS:
            yield replace(row, word="better")
        elif excluded:
            yield replace(row, word="holds")
        else:
            more, reason = _more_runs(loss, limit, family)
            yield replace(row, more_runs=more, reason=reason)


def _family(losses: Sequence[Shift]) -> list[float]:
    """Return p-values of no loss, adjusted for the number of those that chance has a part in."""
    adjusted = iter(holm([loss.worse() for loss in losses if loss.error]))
    return [next(adjusted) if loss.error else loss.worse() for loss in losses]


def _loss(cell: Pending, shift: Shift) -> Shift:
    """Return the shift with what is worse above zero."""
    return shift if cell.quantity.better == "lower" else shift.turned


def _allowed(cell: Pending) -> float:
    """Return the limit as losses are compared."""
    limit = cell.row.limit or 0.0
    if cell.quantity.is_score:
        return limit
    return math.log1p(limit) if cell.quantity.better == "lower" else -math.log1p(-limit)


def _more_runs(loss: Shift, limit: float, rows: int) -> tuple[int | None, str]:
    """Return how many more runs on each side would decide, if difference and scatter stay what they are."""

    def enough(n: int) -> bool:
        df = loss.df * n / loss.n
        error = math.sqrt(loss.run / n + loss.session)
        worse = loss.difference >= quantile(FALSE_ALARMS / rows, df) * error
        return worse or loss.difference + quantile(OVERLOOKED, df) * error <= limit

    needed = bisect_left(range(MOST_RUNS), True, lo=loss.n + 1, key=enough)
    if needed < MOST_RUNS:
        return needed - loss.n, "the runs scatter too much to tell"
    if loss.session:
        return None, "the runs scatter too much to tell: run more sessions on both sides, in turn"
    return None, f"more than {MOST_RUNS} runs would be needed"
