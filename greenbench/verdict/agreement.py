"""Whether runs that were made again agree with those that were published: same or not, in either direction.

``disagrees``: the two differ beyond chance, over all quantities together. ``agrees``: they differ by less than matters, with
a probability of 95 % at least. Scores and counts are compared across machines; times, energies and memory are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from greenbench.records.conditions import conditions_but_code, differences, version_of_code
from greenbench.records.record import Record
from greenbench.verdict.change import Change, Pending, blank, middle, moved, pending, shown
from greenbench.verdict.family import holm
from greenbench.verdict.margins import load_margins
from greenbench.verdict.quantities import QUANTITIES
from greenbench.verdict.shift import Shift
from greenbench.verdict.verdict import ONE_RUN
from greenbench.verdict.versions import in_words

LEVEL = 0.05
"""Share of replays of unchanged work in which some quantity disagrees."""


def agreement(published: Sequence[Record], again: Sequence[Record]) -> list[Change]:
    """Return a row for each quantity of a published row and of its replay.

    Parameters
    ----------
    published, again
        Sound records of one technique on one workload; within each, all may be compared.
    """
    before, after = published[0], again[0]
    apart = list(differences(conditions_but_code(before), conditions_but_code(after)))
    code = tuple(name for name, _, _ in differences(version_of_code(before), version_of_code(after)))
    rows: list[Change | Pending] = []
    for name, found in QUANTITIES.items():
        quantity = found.of(after.workload.metric)
        row = replace(blank(after, name, "undecided"), code=code)
        if apart and quantity.is_timed:
            if any(quantity.take(record) is not None for record in published):
                rows.append(replace(row, word="not comparable", reason=in_words(apart[0])))
        elif (one := pending(row, quantity, published, again, ("published", "again"))) is not None:
            rows.append(one)
    waiting = [one for one in rows if isinstance(one, Pending)]
    decided = iter(_decided(waiting))
    return [next(decided) if isinstance(one, Pending) else one for one in rows]


def _decided(waiting: Sequence[Pending]) -> list[Change]:
    shifts = moved(waiting, alone=True)
    chances = iter(holm([_chance(shift) for shift in shifts if shift is not None]))
    return [
        _alone(one) if shift is None else _word(one, shift, next(chances))
        for one, shift in zip(waiting, shifts, strict=True)
    ]


def _alone(one: Pending) -> Change:
    """Return what one run on each side says: nothing, unless a score is the same to its last digit."""
    values = {run.value for run in (*one.sides.before, *one.sides.after)}
    if one.quantity.is_score and len(values) == 1:
        return replace(one.row, word="agrees", change=0.0, p=1.0)
    return replace(one.row, reason=ONE_RUN)


def _word(one: Pending, shift: Shift, chance: float) -> Change:
    margin = 0.0 if one.quantity.exact else load_margins().of(one.quantity, middle(one.sides.before))
    within = shift.worse(than=margin) + shift.turned.worse(than=margin) - 1 if shift.error else None
    row = replace(one.with_shift(shift), p=chance, limit=abs(shown(one.quantity, margin)), within=within)
    if chance < LEVEL:
        return replace(row, word="disagrees")
    if within is None or within >= 1 - LEVEL:
        return replace(row, word="agrees")
    return replace(row, reason="the runs scatter too much to tell: run more with --runs")


def _chance(shift: Shift) -> float:
    """Return the two-sided p-value of no difference."""
    if not shift.error:
        return float(shift.difference == 0)
    return min(1.0, 2 * min(shift.worse(), shift.turned.worse()))
