"""What is outside its tolerance: values too far behind the baseline's, runs without a result, baselines below their floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from greenbench.records.conditions import require_comparable
from greenbench.records.record import Record
from greenbench.records.results import Failure, Training
from greenbench.spec.workload import Setting
from greenbench.verdict.quantities import QUANTITIES, SCORE, Quantity
from greenbench.verdict.statistics import estimate
from greenbench.verdict.tolerances import Tolerance, find_tolerance


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
    found = [miss for record in records if (miss := without_result(record)) is not None]
    sound = [record for record in records if record.sound]
    reference = [record for record in baseline if record.sound]
    if not sound or not reference:
        return found
    require_comparable([*sound, *reference], timed=False)
    disturbed_alike = len({record.disturbed is None for record in (*sound, *reference)}) == 1
    case = sound[0].case
    for quantity in QUANTITIES.values():
        tolerance = find_tolerance(case.scale, quantity.name, case.technique, case.workload, tolerances)
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


def without_result(record: Record) -> Miss | None:
    """Return what a run without a result says, or None for one that has a result."""
    case, result = record.case, record.result
    if isinstance(result, Failure):
        what = f"failed, stage {result.stage}: {result.error}. Next step: {result.next_step}"
    elif isinstance(result, Training) and result.status == "diverged":
        what = f"diverged at step {result.diverged_at_step}: the loss or the network's outputs are not finite"
    else:
        return None
    return Miss(case.id, "status", None, None, f"{case.id}, seed {case.seed}: {what}")


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
