"""How far a technique may fall behind its baseline, and what is outside of that.

The rows are in ``tolerances.toml``; a baseline's floor is in its workload's file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from greenbench.errors import UserError
from greenbench.records.conditions import require_comparable
from greenbench.records.record import Record
from greenbench.records.results import Failure, Training
from greenbench.spec.technique import BASELINE
from greenbench.spec.workload import Setting
from greenbench.verdict.quantities import QUANTITIES, SCORE, Quantity, find_quantity
from greenbench.verdict.statistics import estimate


@dataclass(frozen=True)
class Tolerance:
    """One row.

    Attributes
    ----------
    scale, quantity
        Where it applies.
    source
        Where the number comes from.
    technique, workload
        For these alone; None for every one that has no row of its own.
    allowed_drop
        Largest baseline - value, for quantities where more is better.
    allowed_ratio
        Largest value / baseline, for costs.
    """

    scale: str
    quantity: str
    source: str
    technique: str | None = None
    workload: str | None = None
    allowed_drop: float | None = None
    allowed_ratio: float | None = None

    def __post_init__(self) -> None:
        find_quantity(self.quantity)
        if (self.allowed_drop is None) == (self.allowed_ratio is None):
            raise UserError(
                f"the tolerance of {self.quantity} at scale {self.scale} states "
                f"{'no bound' if self.allowed_drop is None else 'two bounds'}",
                "state allowed_drop or allowed_ratio",
            )

    @property
    def specificity(self) -> tuple[bool, bool]:
        """Orders rows that apply alike: a technique's own row counts more than a workload's."""
        return self.technique is not None, self.workload is not None


@dataclass(frozen=True)
class Miss:
    """A value outside its tolerance, or a run without one.

    Attributes
    ----------
    id
        Technique and workload: ``mixup-digits``.
    quantity
        Name of what was compared, or ``status`` of a run that failed or diverged.
    value, baseline
        Means over the seeds that both have; None where there is none.
    message
        All of it in a sentence.
    """

    id: str
    quantity: str
    value: float | None
    baseline: float | None
    message: str


@cache
def load_tolerances() -> tuple[Tolerance, ...]:
    """Return the rows of tolerances.toml."""
    text = resources.files(__package__).joinpath("tolerances.toml").read_text(encoding="utf-8")
    return tuple(Tolerance(**row) for row in tomllib.loads(text)["change"])


def misses(
    records: Sequence[Record], baseline: Sequence[Record], tolerances: Sequence[Tolerance]
) -> list[Miss]:
    """Return what is outside its tolerance; nothing if all is well.

    Parameters
    ----------
    records
        Of one technique on one workload: its seeds.
    baseline
        Of the baseline on the same workload.
    tolerances
        From `load_tolerances`.

    Raises
    ------
    UserError
        If the records were made under unlike conditions.
    """
    found = [miss for record in records if (miss := _without_result(record)) is not None]
    sound = [record for record in records if not record.failed]
    reference = [record for record in baseline if not record.failed]
    if not sound or not reference:
        return found
    require_comparable([*sound, *reference], timed=False)
    disturbed_alike = len({record.disturbed is None for record in (*sound, *reference)}) == 1
    case = sound[0].case
    for quantity in QUANTITIES.values():
        tolerance = _tolerance(case.scale, quantity.name, case.technique, case.workload, tolerances)
        ours, theirs = quantity.by_seed(sound), quantity.by_seed(reference)
        shared = sorted(ours.keys() & theirs.keys())
        if tolerance is None or not shared or (quantity.is_timed and not disturbed_alike):
            continue
        mean, base = (estimate([values[seed] for seed in shared]).mean for values in (ours, theirs))
        metric = sound[0].workload.metric
        called = metric.title if quantity.headline else quantity.name
        if missed := _missed_bound(quantity.of(metric), mean, base, tolerance):
            message = f"{case.id}: {called} is {mean:.4g}, the baseline's {base:.4g}; {missed}"
            found.append(Miss(case.id, quantity.name, mean, base, message))
    return found


def below_floor(records: Sequence[Record], setting: Setting) -> list[Miss]:
    """Return whether a baseline's score lies below the floor of its workload at this scale."""
    values = SCORE.by_seed(records)
    if setting.floor is None or not values:
        return []
    metric = records[0].workload.metric
    mean = estimate(list(values.values())).mean
    sign = 1 if metric.better == "higher" else -1
    if sign * mean >= sign * setting.floor:
        return []
    case = records[0].case
    message = f"{case.id}: {metric.title} is {mean:.4g}, short of the floor of {setting.floor:.4g} ({setting.floor_source})"
    return [Miss(case.id, SCORE.name, mean, None, message)]


def _without_result(record: Record) -> Miss | None:
    case, result = record.case, record.result
    if isinstance(result, Failure):
        what = f"failed, stage {result.stage}: {result.error}. Next step: {result.next_step}"
    elif isinstance(result, Training) and result.status == "diverged":
        what = f"diverged at step {result.diverged_at_step}: the loss or the network's outputs are not finite"
    else:
        return None
    return Miss(case.id, "status", None, None, f"{case.id}, seed {case.seed}: {what}")


def _tolerance(
    scale: str, quantity: str, technique: str, workload: str, tolerances: Sequence[Tolerance]
) -> Tolerance | None:
    """Return the row that counts; a composition may do what all of its parts may do together."""
    if technique == BASELINE:
        return None
    rows = [_most_specific(scale, quantity, part, workload, tolerances) for part in technique.split("+")]
    known = [row for row in rows if row is not None]
    if len(known) < len(rows) or not known:
        return None
    if len(known) == 1:
        return known[0]
    drop = ratio = None
    if all(row.allowed_drop is not None for row in known):
        drop = sum(row.allowed_drop or 0.0 for row in known)
    else:
        ratio = 1.0
        for row in known:
            ratio *= row.allowed_ratio or 1.0
    source = "; ".join(f"{row.technique or 'any'}: {row.source}" for row in known)
    return Tolerance(scale, quantity, source, technique, workload, drop, ratio)


def _most_specific(
    scale: str, quantity: str, technique: str, workload: str, tolerances: Sequence[Tolerance]
) -> Tolerance | None:
    matching = [
        row
        for row in tolerances
        if (row.scale, row.quantity) == (scale, quantity)
        and row.technique in (None, technique)
        and row.workload in (None, workload)
    ]
    return max(matching, key=lambda row: row.specificity, default=None)


def _missed_bound(quantity: Quantity, mean: float, baseline: float, tolerance: Tolerance) -> str:
    """Say which bound a mean has missed; nothing if it holds."""
    if tolerance.allowed_ratio is not None:
        allowed = baseline * tolerance.allowed_ratio
        missed = mean > allowed
        bound = f"{tolerance.allowed_ratio:g} times the baseline"
    else:
        drop = tolerance.allowed_drop or 0.0
        sign = 1 if quantity.better == "higher" else -1
        allowed = baseline - sign * drop
        missed = sign * mean < sign * allowed
        bound = f"{drop:g} {'below' if sign == 1 else 'above'} the baseline"
    return f"allowed is {allowed:.4g}, {bound} ({tolerance.source})" if missed else ""
