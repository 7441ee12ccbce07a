"""What it costs to first reach a score: joules, or seconds where no meter is, and steps.

A run reaches a target at the end of the first evaluated epoch whose validation score is there or beyond: nothing is
assumed of what was not evaluated. A run that ends without it never reaches it. It counts as censored at the most that
any compared run cost, and not at its own end: a recipe that stops early must not look undecided for it (a competing
event; Fine and Gray 1999, JASA 94, 496).

Where all runs reach the target, the logarithms of costs are compared in pairs of one seed, by Student's t. Otherwise
the log-rank test compares them: over all ways to deal the runs to two sides, or, with many runs, by its normal
approximation. Holm's correction is over the techniques that are held against one target.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations
from pathlib import Path

from greenbench.records.folder import TARGETS
from greenbench.records.record import Record, by_technique
from greenbench.records.results import Imported, Point, Training
from greenbench.spec.technique import BASELINE
from greenbench.spec.workload import Metric
from greenbench.verdict.family import holm
from greenbench.verdict.imported_quantities import STEPS
from greenbench.verdict.quantities import QUANTITIES, SCORE, TRAIN_ENERGY, TRAIN_TIME, Quantity
from greenbench.verdict.statistics import TAIL, chance_above, quantile
from greenbench.verdict.verdict import LEVEL, ONE_RUN, Word

MOST_DEALS = 20_000
"""Ways to deal runs to two sides up to which all are looked at: 8 runs a side."""

SLACK = 1e-9
"""By which a mean may miss the equal values that it is of."""


_FIELDS = {TRAIN_ENERGY.name: "energy_j", TRAIN_TIME.name: "seconds", STEPS.name: "steps"}
"""What runs are compared by: the first that all of them have. Where a point keeps it, by the quantity's name."""


@dataclass(frozen=True)
class Reach:
    """What one run cost until it reached a target, or, where `reached` is false, in all."""

    reached: bool
    steps: float | None
    cost: float


@dataclass(frozen=True)
class ToTarget:
    """What the runs of a technique say of the cost to reach a score.

    Attributes
    ----------
    technique, workload, scale
        What was compared; the baseline has no verdict.
    target, stated
        The score, and whether the workload states it; otherwise it is the mean of the baseline's last scores.
    quantity
        Which cost: the name of the training's energy, or of its time.
    n, reached
        Runs, and how many of them reached the target.
    steps, cost
        Medians over the runs; None where half of the runs or more never reach it.
    ratio, low, high
        Cost as a share of the baseline's with its 95 % interval, from pairs of one seed where all runs reach the target.
    restricted
        Whether some run does not: then the ratio is that of restricted means, in which such a run counts with the most
        that any compared run cost, and it has no interval.
    p
        Of the test, corrected for the number of techniques; None where there is none.
    word, reason
        The verdict, and why it is not decided.
    records
        Names of the technique's record files.
    """

    technique: str
    workload: str
    scale: str
    target: float
    stated: bool
    quantity: str
    n: int
    reached: int
    steps: float | None
    cost: float | None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    restricted: bool = False
    p: float | None = None
    word: Word = "undecided"
    reason: str = ""
    records: tuple[str, ...] = ()


def to_targets(records: Sequence[Record]) -> list[ToTarget]:
    """Return what the cost to each target was, for the baseline and each technique.

    Parameters
    ----------
    records
        Trainings, or imported runs, that may be compared: of one workload under the same conditions. Each case counts once.

    Returns
    -------
    list of ToTarget
        By target, the baseline's own score first. Empty without a baseline, and where no run was evaluated before its
        end: then the cost to a target is that of the whole training.
    """
    trained = [
        record for record in records if isinstance(record.result, Training | Imported) and record.result.curve
    ]
    runs = by_technique(trained)
    if BASELINE not in runs or not any(_is_followed(record) for record in trained):
        return []
    last = [score for record in runs[BASELINE] if (score := SCORE.take(record)) is not None]
    targets = [(statistics.fmean(last), False)] if last else []
    targets += [(score, True) for score in runs[BASELINE][0].workload.targets]
    quantity = cost_of(trained)
    return [one for target, stated in targets for one in _to_target(runs, target, stated, quantity)]


def write_targets(found: Sequence[ToTarget], folder: Path) -> None:
    """Write what it cost to reach targets beside the records; without any, leave no file of an earlier report."""
    path = folder / TARGETS
    if not found:
        path.unlink(missing_ok=True)
        return
    path.write_text(json.dumps([vars(one) for one in found], indent=1) + "\n", encoding="utf-8")


def cost_of(records: Sequence[Record]) -> Quantity:
    """Return the cost that runs are compared by: energy where every run has it, then time, then steps."""
    ends = [end for record in records if (end := _end(record)) is not None]
    names = (name for name, field in _FIELDS.items() if all(getattr(end, field) is not None for end in ends))
    return QUANTITIES[next(names, STEPS.name)]


def _end(record: Record) -> Point | Imported | None:
    """Return what has a run's whole cost, whether it has a curve or not."""
    run = record.result
    if isinstance(run, Training):
        return Point(len(run.curve), None, run.energy.energy_j, run.train_seconds, run.steps)
    return run if isinstance(run, Imported) else None


def course(record: Record) -> tuple[Point, ...]:
    """Return what a run had cost and reached after each epoch; none for other records.

    A teacher's training is in it, except its steps. Where not every epoch was measured, the energy of the run is spread
    over its epochs by their time.
    """
    training = record.result
    if isinstance(training, Imported):
        return training.curve
    if not isinstance(training, Training) or not training.curve:
        return ()
    name, steps_per_epoch = record.workload.metric.name, training.steps // len(training.curve)
    teacher_s, teacher_j = 0.0, 0.0
    if training.teacher is not None:
        teacher_s, teacher_j = training.teacher.seconds, training.teacher.energy_j or 0.0
    seconds = [epoch.seconds for epoch in training.curve]
    until_s = list(accumulate(seconds, initial=teacher_s))
    until_j: list[float] | list[None] = [None] * len(until_s)
    if training.energy.energy_j is not None:
        energies_j = [energy_j for epoch in training.curve if (energy_j := epoch.energy.energy_j) is not None]
        if len(energies_j) < len(training.curve):
            power_w = (training.energy.energy_j - teacher_j) / (math.fsum(seconds) or 1.0)
            energies_j = [power_w * each for each in seconds]
        until_j = list(accumulate(energies_j, initial=teacher_j))
    return tuple(
        Point(
            epoch.epoch,
            None if epoch.validation is None else epoch.validation[name],
            until_j[number],
            until_s[number],
            number * steps_per_epoch,
        )
        for number, epoch in enumerate(training.curve, start=1)
    )


def spent(point: Point, quantity: Quantity) -> float | None:
    """Return what a run had cost at a point, in the quantity of `cost_of`."""
    cost: float | None = getattr(point, _FIELDS[quantity.name])
    return cost


def reach(record: Record, target: float, quantity: Quantity) -> Reach | None:
    """Return what a run cost until its score was at the target or beyond; None where that is not known.

    `quantity` is that of `cost_of`.
    """
    points = course(record)
    if not points:
        return None
    sign = _sign(record.workload.metric)
    slack = SLACK * max(1.0, abs(target))
    there = (p for p in points if p.score is not None and sign * (p.score - target) >= -slack)
    first = next(there, None)
    at = first or points[-1]
    cost = spent(at, quantity)
    return Reach(first is not None, at.steps, cost) if cost else None


def _is_followed(record: Record) -> bool:
    result = record.result
    if isinstance(result, Training):
        return sum(epoch.validation is not None for epoch in result.curve) > 1
    return isinstance(result, Imported) and sum(point.score is not None for point in result.curve) > 1


def _sign(metric: Metric) -> int:
    return 1 if metric.better == "higher" else -1


def _to_target(
    runs: Mapping[str, Sequence[Record]], target: float, stated: bool, quantity: Quantity
) -> Iterator[ToTarget]:
    """Yield what each technique cost, the baseline first, with words that hold for all of them together."""
    reaches = {
        name: {r.case.seed: got for r in records if (got := reach(r, target, quantity))}
        for name, records in runs.items()
    }
    baseline = reaches[BASELINE]
    found = []
    for name in sorted(runs, key=lambda name: name != BASELINE):
        first, ours = runs[name][0], reaches[name]
        one = ToTarget(
            technique=name,
            workload=first.case.workload,
            scale=first.case.scale,
            target=target,
            stated=stated,
            quantity=quantity.name,
            n=len(ours),
            reached=sum(run.reached for run in ours.values()),
            steps=_median([run.steps if run.reached else math.inf for run in ours.values()]),
            cost=_median([run.cost if run.reached else math.inf for run in ours.values()]),
            records=tuple(record.file_name for record in runs[name]),
        )
        found.append(one if name == BASELINE else _against(one, ours, baseline))
    corrected = iter(holm([one.p for one in found if one.p is not None]))
    for one in found:
        yield one if one.p is None else _decided(one, next(corrected))


def _median(values: Sequence[float | None]) -> float | None:
    """Return the median; None where half of the values or more are infinite, or one is not known."""
    known = [value for value in values if value is not None]
    median = statistics.median(known) if known and len(known) == len(values) else math.inf
    return None if math.isinf(median) else median


def _against(one: ToTarget, ours: Mapping[int, Reach], theirs: Mapping[int, Reach]) -> ToTarget:
    """Return `one` with ratio and p-value, not yet corrected; `word` is the direction."""
    if not ours or not theirs:
        return replace(one, reason="no run has a cost")
    if not any(run.reached for run in (*ours.values(), *theirs.values())):
        return replace(one, reason="no run reached it")
    shared = sorted(ours.keys() & theirs.keys())
    if all(run.reached for run in (*ours.values(), *theirs.values())) and shared:
        return _in_pairs(one, [math.log(ours[seed].cost / theirs[seed].cost) for seed in shared])
    horizon = max(run.cost for run in (*ours.values(), *theirs.values()))
    sides = [
        [(run.cost, True) if run.reached else (horizon, False) for run in side.values()]
        for side in (ours, theirs)
    ]
    means = [statistics.fmean(cost for cost, _ in side) for side in sides]
    one = replace(one, ratio=means[0] / means[1], restricted=True)
    if min(len(ours), len(theirs)) == 1:
        return replace(one, reason=ONE_RUN)
    deals = math.comb(len(ours) + len(theirs), len(ours))
    if deals * LEVEL < 2:
        return replace(one, reason="too few runs")
    earlier, p = log_rank(*sides)
    return replace(one, p=p, word="better" if earlier > 0 else "worse")


def _in_pairs(one: ToTarget, log_ratios: Sequence[float]) -> ToTarget:
    mean = statistics.fmean(log_ratios)
    one = replace(one, ratio=math.exp(mean), word="better" if mean < 0 else "worse")
    if len(log_ratios) == 1:
        return replace(one, word="undecided", reason=ONE_RUN)
    error = statistics.stdev(log_ratios) / math.sqrt(len(log_ratios))
    half = quantile(TAIL, len(log_ratios) - 1) * error
    deviation = math.copysign(math.inf, mean) if error == 0 and mean else mean / (error or 1.0)
    p = 2 * chance_above(abs(deviation), len(log_ratios) - 1)
    return replace(one, low=math.exp(mean - half), high=math.exp(mean + half), p=p)


def _decided(one: ToTarget, p: float) -> ToTarget:
    """Return `one` with its corrected p-value, and its direction as the verdict where that is small enough."""
    if p <= LEVEL:
        return replace(one, p=p)
    return replace(one, p=p, word="undecided", reason="the runs scatter more than they differ")


def log_rank(ours: Sequence[tuple[float, bool]], theirs: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Compare two sides of (cost, whether the target was reached), at least two runs each.

    Returns
    -------
    tuple of float
        How many more of our runs reached the target, at each cost, than if the sides were alike; and the two-sided
        p-value: exact up to `MOST_DEALS` ways to deal the runs, otherwise that of `scipy.stats.logrank`.
    """
    import numpy as np

    runs = [*ours, *theirs]
    costs = np.array([cost for cost, _ in runs])
    reached = np.array([there for _, there in runs])
    at_risk = (costs[:, None] >= costs[None, :]).sum(0)  # of each run, at the cost of each
    # Of all runs that are still on their way at a cost, each is expected to reach the target there alike.
    shares = np.where(reached, 1 / at_risk, 0.0)
    scores = reached - ((costs[:, None] >= costs[None, :]) * shares[None, :]).sum(1)
    earlier = float(scores[: len(ours)].sum())
    if math.comb(len(runs), len(ours)) <= MOST_DEALS:
        deals = np.array(list(combinations(range(len(runs)), len(ours))))
        sums = np.abs(scores[deals].sum(1))
        return earlier, float((sums >= abs(earlier) - SLACK).mean())
    from scipy.stats import CensoredData, logrank

    sides = [
        CensoredData.right_censored([cost for cost, _ in side], [not there for _, there in side])
        for side in (ours, theirs)
    ]
    return earlier, float(logrank(*sides).pvalue)
