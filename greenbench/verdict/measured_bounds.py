"""Tolerances that follow from records by one rule: what was seen, and what chance adds.

A technique may fall behind its baseline by what it fell behind when it was measured, and by `SIGMAS` times the standard
error of a comparison like the one that its test makes::

    allowed = max(0, observed) + SIGMAS * sd * sqrt(2 / measured + 2 / tested)

with the standard deviation ``sd`` of one run, the seeds that were measured, and the seeds of a test. Costs are compared by
the logarithms of their ratios. Numbers that are counted have no chance in them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from greenbench.errors import UserError
from greenbench.records.conditions import newest, same_conditions
from greenbench.records.record import Record, by_technique
from greenbench.spec.scale import SCALES
from greenbench.spec.technique import BASELINE
from greenbench.verdict.noise import without_wild
from greenbench.verdict.quantities import QUANTITIES
from greenbench.verdict.quantity import Quantity
from greenbench.verdict.tolerances import Tolerance

SIGMAS = 3.0
"""One in 700 comparisons of equal techniques is further off."""

SHARED = 3.0
"""Times and energies may grow by this factor besides: what another machine, and other programs on it, do to a ratio."""

SCORE_STEP, RATIO_STEP = 0.005, 0.01
"""Bounds are rounded up to these."""

FEWEST_SEEDS = 2
"""Of what scatters; what is counted is known from one."""

Values = Mapping[str, Mapping[int, float]]
"""By technique and seed, the baseline first."""


def measured_bounds(records: Sequence[Record], quantities: Iterable[str]) -> list[Tolerance]:
    """Return the rows that records give: for each workload and quantity one, and one for each technique that needs its own.

    The row of a workload is for techniques that were not measured: chance alone for a score, and for a cost what the
    costliest technique may have.

    Parameters
    ----------
    records
        Of a study with several seeds.
    quantities
        Names of those that get rows, where they were measured.

    Raises
    ------
    UserError
        If no technique has `FEWEST_SEEDS` in common with its baseline, or one where the quantity is counted.
    """
    found: dict[tuple[str, str, str], list[Tolerance]] = {}
    for general in (QUANTITIES[name] for name in quantities):
        fitting = [record for record in records if record.sound and record.case.kind == general.kind]
        if not general.is_timed:  # who else measured on the machine changes times alone
            fitting = [replace(record, disturbed=None) for record in fitting]
        for alike in same_conditions(fitting):
            counted, _ = newest(alike)
            quantity = general.of(counted[0].workload.metric)
            values = _values(counted, quantity)
            if len(values) < 2:
                continue
            case = counted[0].case
            place = case.scale, quantity.name, case.workload
            if place in found:
                raise UserError(
                    f"the folder holds {quantity.name} of {case.workload} under unlike conditions",
                    "give a folder with the records of one machine, mode and version",
                )
            found[place] = _rows(quantity, counted, values)
    if not found:
        raise UserError(
            f"no technique was measured with {FEWEST_SEEDS} seeds that its baseline has, too",
            f"run the study with --green-seeds {FEWEST_SEEDS} or more",
        )
    return [row for place in sorted(found) for row in found[place]]


def _values(records: Sequence[Record], quantity: Quantity) -> Values:
    taken = {name: quantity.by_seed(ours) for name, ours in by_technique(records).items()}
    baseline = taken.pop(BASELINE, {})
    fewest = 1 if quantity.exact else FEWEST_SEEDS
    if len(baseline) < fewest:
        return {}
    shared = {name: {seed: v for seed, v in ours.items() if seed in baseline} for name, ours in taken.items()}
    return {BASELINE: baseline} | {n: ours for n, ours in sorted(shared.items()) if len(ours) >= fewest}


def _rows(quantity: Quantity, records: Sequence[Record], values: Values) -> list[Tolerance]:
    case = records[0].case
    tested = SCALES[case.scale].seeds
    if not quantity.is_score:
        values = {name: {s: math.log(v) for s, v in of.items()} for name, of in values.items()}
    scatter, spread = _scatter(quantity, values)

    def chance(deviation: float, measured: int) -> float:
        return SIGMAS * deviation * math.sqrt(2 / measured + 2 / tested)

    bounds = {}
    for technique, ours in list(values.items())[1:]:
        lost = math.fsum(values[BASELINE][seed] - value for seed, value in ours.items()) / len(ours)
        behind = lost if quantity.better == "higher" else -lost
        bounds[technique] = _rounded_up(max(0.0, behind) + chance(scatter[technique], len(ours)), quantity)
    seeds = min(map(len, values.values()))
    alone = _rounded_up(chance(spread, seeds), quantity)
    general = alone if quantity.is_score else max(bounds.values())
    noise = "" if quantity.exact else f", sd of a run {spread:.2g}"
    day = max(record.started_at for record in records)[:10]
    source = f"{_counted(len(bounds), 'technique')}, {_counted(seeds, 'seed')}{noise}, {day}"
    return [
        Tolerance(
            case.scale,
            quantity.name,
            source,
            technique,
            case.workload,
            allowed_drop=allowed if quantity.is_score else None,
            allowed_ratio=None if quantity.is_score else allowed,
        )
        for technique, allowed in ((None, general), *bounds.items())
        if technique is None or allowed != general
    ]


def _scatter(quantity: Quantity, values: Values) -> tuple[dict[str, float], float]:
    """Return the standard deviation of a run of each technique, and that of most of them."""
    if quantity.exact:
        return dict.fromkeys(values, 0.0), 0.0
    [layout] = without_wild([values])
    spread = math.sqrt(layout.pooled.variance)
    wild = {
        name for name in values if name not in layout.scatter
    }  # far more than the others, in a way of its own
    own = {
        name: math.hypot(statistics.stdev(values[name].values()), spread) / math.sqrt(2)
        for name in wild
        if name != BASELINE
    }
    return dict.fromkeys(values, spread) | own, spread


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _rounded_up(bound: float, quantity: Quantity) -> float:
    if not quantity.is_score:
        bound = math.exp(bound) * (SHARED if quantity.is_timed else 1.0)
    step = SCORE_STEP if quantity.is_score else RATIO_STEP
    return round(step * math.ceil(round(bound / step, 6)), 6)
