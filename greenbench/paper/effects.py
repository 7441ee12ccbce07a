"""The study's effects against a run's: sign and size of what each technique changes, cell by cell.

An effect is a technique's value beside the baseline's: their ratio for costs and counts, their difference for scores. Ratios
are compared across machines: the study's is not at hand. The study states no scatter; its cells are taken for single runs
that scatter as the run's own do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from greenbench.paper.cells import SI_FACTOR, Cell, Interpretation, find_cell, published_cells
from greenbench.records.conditions import newest, same_conditions
from greenbench.records.record import Record
from greenbench.spec.mode import PAPER as PAPER_MODE
from greenbench.spec.technique import BASELINE
from greenbench.verdict.change import Pending, blank, moved, pending, shown
from greenbench.verdict.cost_quantities import COST_ENERGY
from greenbench.verdict.family import holm
from greenbench.verdict.margins import load_margins
from greenbench.verdict.quantities import (
    CONV_MACS,
    IMAGE_ENERGY,
    LATENCY,
    PAPER_CO2,
    PARAMS,
    SCORE,
    TRAIN_ENERGY,
    TRAIN_SCORE,
)
from greenbench.verdict.quantity import Quantity
from greenbench.verdict.shift import Shift
from greenbench.verdict.statistics import chance_above
from greenbench.verdict.verdict import ONE_RUN

Word = Literal["reproduced", "not reproduced", "undecided", "not comparable", "not run"]

LEVEL = 0.05
"""Share of studies, all of whose effects are right, in which some effect is called not reproduced."""

PAPER_SCALE = "paper"

QUANTITIES: dict[str, tuple[Quantity, ...]] = {
    "train_miou": (TRAIN_SCORE,),
    "train_accuracy": (TRAIN_SCORE,),
    "val_miou": (SCORE,),
    "val_accuracy": (SCORE,),
    "test_accuracy": (SCORE,),
    "train_energy": (TRAIN_ENERGY, COST_ENERGY),
    "params": (PARAMS,),
    "flops": (CONV_MACS,),
    "time": (LATENCY,),
    "energy": (IMAGE_ENERGY,),
    "co2": (PAPER_CO2,),
}
"""What measures the study's columns."""


@dataclass(frozen=True)
class Effect:
    """One published effect, and what a run says of it.

    Attributes
    ----------
    cell
        Where the technique's value stands.
    workload, technique, quantity
        What it is of.
    word
        ``reproduced``: the same sign beyond chance, and no other size than chance allows. ``not reproduced``: another size
        beyond chance, or the other sign.
    published, ours, low, high
        As a fraction of the baseline's value, for scores a difference; ours with its 95 % interval.
    p
        Of the run, if the published sign and size are right; adjusted for all effects.
    n
        Runs.
    reason
        Why it is not decided, or not compared.
    """

    cell: str
    workload: str
    technique: str
    quantity: str
    word: Word
    published: float | None = None
    ours: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int = 0
    reason: str = ""

    @property
    def is_score(self) -> bool:
        """Whether it is a difference, and not a fraction."""
        return self.quantity in (SCORE.name, TRAIN_SCORE.name)


@dataclass
class _Pair:
    """An effect under way."""

    effect: Effect
    published: float
    rounding: float
    ours: Pending


def effects(records: Sequence[Record], cells: Sequence[Cell] | None = None) -> list[Effect]:
    """Return every published effect, in the order of the tables, with what some records say of it."""
    table = published_cells() if cells is None else cells
    alike = [newest(group)[0] for group in same_conditions([record for record in records if record.sound])]
    found = [_look_up(cell, table, alike) for cell in table if cell.technique != BASELINE]
    pairs = [one for one in found if isinstance(one, _Pair)]
    judged = iter(_judged(pairs))
    return [next(judged) if isinstance(one, _Pair) else one for one in found]


def _look_up(cell: Cell, table: Sequence[Cell], alike: Sequence[Sequence[Record]]) -> Effect | _Pair:
    quantities = QUANTITIES[cell.metric]
    effect = Effect(cell.name, cell.dataset, cell.technique, quantities[0].name, "not comparable")
    kinds = {quantity.kind for quantity in quantities}
    if not any(
        (one.case.workload, one.case.technique) == (cell.dataset, cell.technique) and one.case.kind in kinds
        for group in alike
        for one in group
    ):
        return replace(effect, word="not run")
    baseline = find_cell(table, cell.dataset, BASELINE, cell.metric)
    suspect = next((c for c in (cell, baseline) if c and c.reading is Interpretation.SUSPECT), None)
    if baseline is None or suspect is not None:
        why = f"the published value is suspect: {suspect.why}" if suspect else "the tables have no baseline"
        return replace(effect, reason=why)
    reason = ""
    for quantity in quantities:
        for group in alike:
            ours = [r for r in group if (r.case.workload, r.case.technique) == (cell.dataset, cell.technique)]
            theirs = [r for r in group if (r.case.workload, r.case.technique) == (cell.dataset, BASELINE)]
            if not ours or ours[0].case.kind != quantity.kind:
                continue
            quantity = quantity.of(ours[0].workload.metric)
            reason = _unlike(ours[0]) or ("" if theirs else "the baseline was not run")
            if reason:
                continue
            row = blank(ours[0], quantity.name, "undecided")
            found = pending(row, quantity, theirs, ours, sides=("of the baseline", "of the technique"))
            if isinstance(found, Pending):
                n = min(found.row.n_before, found.row.n_after)
                effect = replace(effect, word="undecided", quantity=quantity.name, n=n)
                return _Pair(effect, *_published(cell, baseline, is_score=quantity.is_score), found)
            reason = found.reason if found else "not measured"
    return replace(effect, reason=reason)


def _unlike(record: Record) -> str:
    """Say why a record is not of the study's protocol."""
    case = record.case
    if case.mode != PAPER_MODE.name:
        return f"the mode is {case.mode}"
    if case.kind == "inference":
        return "" if case.setting.get("network") == {} else "the network is smaller"
    return "" if case.scale == PAPER_SCALE else f"the scale is {case.scale}"


def _published(cell: Cell, baseline: Cell, *, is_score: bool) -> tuple[float, float]:
    """Return a published effect, and how far the rounding of its digits can be off."""
    halves = [0.5 * 10.0**-one.decimals for one in (cell, baseline)]
    if is_score:
        factor = SI_FACTOR[cell.unit]
        return (cell.value - baseline.value) * factor, math.fsum(halves) * factor
    ratio = math.log(cell.value / baseline.value)
    return ratio, math.fsum(
        half / float(one.printed) for half, one in zip(halves, (cell, baseline), strict=True)
    )


def _judged(pairs: Sequence[_Pair]) -> Iterator[Effect]:
    shifts = moved([pair.ours for pair in pairs])
    known = [(pair, shift) for pair, shift in zip(pairs, shifts, strict=True) if shift is not None]
    chances = dict(zip((id(pair) for pair, _ in known), holm([_chance(*one) for one in known]), strict=True))
    for pair, shift in zip(pairs, shifts, strict=True):
        if shift is None:
            yield replace(pair.effect, published=shown(pair.ours.quantity, pair.published), reason=ONE_RUN)
            continue
        half = shift.half_width(LEVEL / 2)
        word, reason = _word(pair, shift, half, chances[id(pair)])
        yield replace(
            pair.effect,
            word=word,
            published=shown(pair.ours.quantity, pair.published),
            ours=shown(pair.ours.quantity, shift.difference),
            low=shown(pair.ours.quantity, shift.difference - half),
            high=shown(pair.ours.quantity, shift.difference + half),
            p=chances[id(pair)],
            reason=reason,
        )


def _chance(pair: _Pair, shift: Shift) -> float:
    """Return the p-value of the published size, the nearest that its digits can stand for, and of its sign."""
    apart = max(0.0, abs(shift.difference - pair.published) - pair.rounding)
    error = math.sqrt(shift.error**2 + shift.run)
    if not error:
        return float(apart == 0)
    size = 2 * chance_above(apart / error, shift.df)
    if abs(pair.published) <= pair.rounding:
        return size
    against = shift if pair.published < 0 else replace(shift, difference=-shift.difference)
    return min(1.0, 2 * min(size, against.worse()))


def _word(pair: _Pair, shift: Shift, half: float, chance: float) -> tuple[Word, str]:
    ours, published = shift.difference, pair.published
    same_sign = ours * published > 0 and abs(published) > pair.rounding
    if chance < LEVEL:
        return "not reproduced", "the size differs" if same_sign else "the sign differs"
    if pair.ours.quantity.exact or (same_sign and abs(ours) > half):
        return "reproduced", ""
    before = pair.ours.sides.before
    margin = load_margins().of(pair.ours.quantity, math.fsum(run.value for run in before) / len(before))
    if max(abs(published), abs(ours) + half) <= margin:
        return "reproduced", "no effect that matters, here as there"
    return "undecided", "the runs scatter too much to tell the sign"
