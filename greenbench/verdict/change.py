"""One quantity of one technique on one workload, at two times: what is said of it, and the values that it comes from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, get_args

from greenbench.records.conditions import UNDISTURBED
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.record import Record
from greenbench.verdict.noise import Scatter
from greenbench.verdict.quantities import QUANTITIES
from greenbench.verdict.quantity import Quantity
from greenbench.verdict.shift import Run, Shift, Sides, moved_costs, moved_scores
from greenbench.verdict.versions import in_words

Word = Literal[
    "failed",
    "worse",
    "disagrees",
    "undecided",
    "better",
    "holds",
    "agrees",
    "not comparable",
    "not measured",
    "new",
]
WORDS: tuple[Word, ...] = get_args(Word)


@dataclass(frozen=True)
class Change:
    """One quantity of one technique on one workload, before and after.

    Attributes
    ----------
    kind, workload, technique, scale, mode, machine, quantity
        What was compared; the quantity ``status`` is a run without a result.
    word
        ``worse`` and ``failed`` fail. ``better`` is beyond chance, too. ``holds``: a loss of the limit is excluded. Of replays
        ``agrees`` and ``disagrees``.
    before, after
        Means over runs, geometric ones for costs.
    n_before, n_after
        Runs.
    sessions
        On the side that has fewer.
    change, low, high
        After minus before, for costs as a fraction of before, and its 95 % interval, this row taken alone.
    limit
        The largest loss that is allowed, as a positive number.
    unit
        Of `before` and `after`: ``%`` for fractions, an SI unit, or empty.
    p
        Of no loss, of replays of no difference; adjusted for all rows.
    within
        Probability that the change is within the limit, in a replay; None where that is not a matter of chance.
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
    sessions: int = 0
    change: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    unit: str = ""
    p: float | None = None
    within: float | None = None
    more_runs: int | None = None
    reason: str = ""
    code: tuple[str, ...] = ()

    @property
    def is_score(self) -> bool:
        """Whether `change` is a difference, and not a fraction."""
        return self.quantity in QUANTITIES and QUANTITIES[self.quantity].is_score


@dataclass
class Pending:
    """A row under way.

    Attributes
    ----------
    row
        What is known of it so far.
    quantity
        With the metric's unit and direction.
    sides
        Its runs.
    """

    row: Change
    quantity: Quantity
    sides: Sides

    def with_shift(self, shift: Shift) -> Change:
        """Return the row with how far it moved."""
        half = shift.half_width(0.025)
        ends = (shift.difference, shift.difference - half, shift.difference + half)
        change, low, high = (shown(self.quantity, end) for end in ends)
        return replace(self.row, change=change, low=low, high=high)


def pending(
    row: Change,
    quantity: Quantity,
    before: Sequence[Record],
    after: Sequence[Record],
    sides: tuple[str, str] = ("before", "now"),
) -> Pending | Change | None:
    """Return the row of one quantity of comparable records, to be decided, or one that says why it cannot be.

    None where nobody measured the quantity. `sides` is what the two are called.
    """
    before, after = _alike(quantity, before), _alike(quantity, after)
    if quantity.is_timed and (before[0].disturbed is None) != (after[0].disturbed is None):
        reason = in_words((UNDISTURBED, before[0].disturbed is None, after[0].disturbed is None))
        return replace(row, word="not comparable", reason=reason)
    earlier, now = runs_of(quantity, before), runs_of(quantity, after)
    if not earlier and not now:
        return None
    if not earlier or not now:
        which = before if not earlier else after
        reason = next(filter(None, map(quantity.why_missing, which)), "no value that can be compared")
        return replace(row, word="not measured", reason=f"{sides[bool(earlier)]}: {reason}")
    first = after[0]
    if quantity.is_score:
        earlier, now = _of_shared_seeds(earlier, now)
    row = replace(
        row,
        unit=quantity.unit,
        before=mean_of(quantity, earlier),
        after=mean_of(quantity, now),
        n_before=len(earlier),
        n_after=len(now),
        sessions=min(len({run.session for run in runs}) for runs in (earlier, now)),
    )
    images = first.workload.validation_images
    resolution = 1 / images if quantity.unit == "%" and images else 0.0
    return Pending(row, quantity, Sides(place_of(first), first.case.technique, earlier, now, resolution))


def moved(cells: Sequence[Pending], *, alone: bool = False) -> list[Shift | None]:
    """Return how far each cell moved; one quantity's cells tell together how it scatters.

    With `alone`, one run on a side is enough where the other has two; see `greenbench.verdict.shift`.
    """
    found: dict[int, Shift | None] = {}
    for name in dict.fromkeys(cell.quantity.name for cell in cells):
        ours = [cell for cell in cells if cell.quantity.name == name]
        quantity = ours[0].quantity
        sides = [cell.sides for cell in ours]
        if quantity.exact:
            shifts: Sequence[Shift | None] = [
                Shift(counted(one.after) - counted(one.before), 0.0, math.inf, 0.0, 1) for one in sides
            ]
        else:
            shifts = (
                moved_scores(sides, alone=alone) if quantity.is_score else moved_costs(sides, alone=alone)
            )
        found |= dict(zip(map(id, ours), shifts, strict=True))
    return [found[id(cell)] for cell in cells]


def _of_shared_seeds(before: list[Run], after: list[Run]) -> tuple[list[Run], list[Run]]:
    """Return the runs of seeds that both sides have, as they are compared in pairs; all of them where there are no pairs."""
    shared = {run.seed for run in before} & {run.seed for run in after}
    if len(shared) < 2:
        return before, after
    return [run for run in before if run.seed in shared], [run for run in after if run.seed in shared]


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


def mean_of(quantity: Quantity, runs: Sequence[Run]) -> float:
    """Return the mean of runs, the geometric one for costs."""
    mean = middle(runs)
    return mean if quantity.is_score else math.exp(mean)


def shown(quantity: Quantity, moved: float) -> float:
    """Return a difference of logarithms as a fraction, and one of scores as it is."""
    return moved if quantity.is_score else math.expm1(moved)


def middle(runs: Sequence[Run]) -> float:
    """Return the mean of runs as they are compared."""
    return math.fsum(run.value for run in runs) / len(runs)


def counted(runs: Sequence[Run]) -> float:
    """Return what all runs count, to the last digit."""
    return median(run.value for run in runs)


def place_of(record: Record) -> tuple[str, ...]:
    """Return what techniques share whose runs may be taken to scatter alike."""
    case = record.case
    return case.workload, case.kind, case.scale, case.mode, record.machine.key


def blank(record: Record, quantity: str, word: Word) -> Change:
    """Return a row without values."""
    case = record.case
    where = record.machine
    machine = where.table if isinstance(where, Elsewhere) else where.gpu or where.cpu
    return Change(case.kind, case.workload, case.technique, case.scale, case.mode, machine, quantity, word)


def count_words(rows: Sequence[Change]) -> Mapping[Word, int]:
    """Return how many rows there are of each word, in the order of the words."""
    counts = Counter(row.word for row in rows)
    return {word: counts[word] for word in WORDS if word in counts}
