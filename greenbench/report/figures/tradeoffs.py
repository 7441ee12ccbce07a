"""The study's scatter plots: score against training energy, time of an image against network size, score against CO2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from greenbench.energy.carbon import CarbonIntensity
from greenbench.records.record import Record, by_technique
from greenbench.report.figures.figure import Figure
from greenbench.report.figures.scatter import CORRELATION, Point, Scatter, category_colors, scatter_spec
from greenbench.report.sections import ComparableSet, Section, distinct
from greenbench.report.values import measured, shown, written
from greenbench.spec.case import IMPORTED
from greenbench.units import si_scale
from greenbench.verdict.quantities import (
    CONV_MACS,
    LATENCY,
    PAPER_CO2,
    PARAMS,
    SCORE,
    Quantity,
    co2_quantity,
)
from greenbench.verdict.statistics import Estimate
from greenbench.verdict.to_target import cost_of

FRONT = " The dashed line is the front: no other technique is better in both."
INTERVALS = "Points are means over the runs, lines their 95 % intervals. "

Runs = Mapping[str, Sequence[Record]]


def figures(section: Section, intensity: CarbonIntensity) -> Iterator[Figure]:
    """Yield a figure for each pair of quantities of which some set has three techniques or more."""
    trained = [
        found
        for found in section.sets
        if found.records and found.records[0].case.kind in ("training", IMPORTED)
    ]
    at_inference = [
        found for found in section.sets if found.records and found.records[0].case.kind == "inference"
    ]
    yield from _figure(
        "score-and-cost",
        "Score against the cost of training",
        FRONT,
        [_of_one(found, _training_cost) for found in trained],
    )
    for name, quantity in (("time-and-params", PARAMS), ("time-and-operations", CONV_MACS)):
        of_size = partial(_inference_pair, quantity)
        title = f"Time of an image against {quantity.title}"
        yield from _figure(name, title, "", [_of_one(found, of_size) for found in at_inference])
    measured_co2 = co2_quantity(intensity)
    joined = [
        _joined(one, other, measured_co2)
        for one in at_inference
        for other in trained
        if one.records[0].case.workload == other.records[0].case.workload and one.caption == other.caption
    ]
    note = " CO₂ is that of a week of video at inference. Techniques that leave the network alone have none of their own."
    yield from _figure("score-and-co2", "Score against CO₂", FRONT + note, joined)


def _figure(name: str, title: str, note: str, found: Sequence[Scatter | None]) -> Iterator[Figure]:
    scatters = [scatter for scatter in found if scatter is not None and len(scatter.points) > 2]
    if scatters:
        colors = category_colors(scatters)
        panels = tuple(scatter_spec(scatter, colors) for scatter in scatters)
        yield Figure(name, title, f"{INTERVALS}{CORRELATION}{note}", panels)


def _training_cost(found: ComparableSet) -> tuple[Quantity, Quantity]:
    return cost_of(found.records), SCORE.of(found.records[0].workload.metric)


def _inference_pair(quantity: Quantity, _found: ComparableSet) -> tuple[Quantity, Quantity]:
    return quantity, LATENCY


def _of_one(
    found: ComparableSet, pair: Callable[[ComparableSet], tuple[Quantity, Quantity]]
) -> Scatter | None:
    x, y = pair(found)
    runs = by_technique(found.records)
    return _scatter(found, x, y, {name: (records, records) for name, records in runs.items()})


def _joined(inference: ComparableSet, training: ComparableSet, co2: Quantity) -> Scatter | None:
    """Return the CO2 of networks against what their trainings reached."""
    networks, trained = by_technique(inference.records), by_technique(training.records)
    both = {name: (networks[name], trained[name]) for name in networks if name in trained}
    has_energy = all(measured(co2, records) is not None for records, _ in both.values())
    x = co2 if has_energy else PAPER_CO2
    return _scatter(training, x, SCORE.of(training.records[0].workload.metric), both)


def _scatter(
    found: ComparableSet,
    x: Quantity,
    y: Quantity,
    runs: Mapping[str, tuple[Sequence[Record], Sequence[Record]]],
) -> Scatter | None:
    values = {
        name: (of_x, of_y)
        for name, (x_records, y_records) in runs.items()
        if (of_x := measured(x, x_records)) is not None and (of_y := measured(y, y_records)) is not None
    }
    if not values:
        return None
    facts = {name: records[0].technique for name, (records, _) in runs.items()}
    titles = distinct({name: fact.title for name, fact in facts.items()})
    x_scale, x_title = _axis(x, [of_x for of_x, _ in values.values()])
    y_scale, y_title = _axis(y, [of_y for _, of_y in values.values()])
    points = tuple(
        Point(
            name,
            titles[name],
            facts[name].category,
            of_x.mean / x_scale,
            of_y.mean / y_scale,
            None if of_x.half_width is None else of_x.half_width / x_scale,
            None if of_y.half_width is None else of_y.half_width / y_scale,
            shown(written(x, of_x)),
            shown(written(y, of_y)),
        )
        for name, (of_x, of_y) in values.items()
    )
    title = f"{found.records[0].workload.title}{found.difference}"
    return Scatter(title, x_title, y_title, points, (x.better, y.better) if y.is_score else None)


def _axis(quantity: Quantity, values: Sequence[Estimate]) -> tuple[float, str]:
    """Return by what values are divided, and the title of their axis."""
    if quantity.unit == "%":
        return 0.01, f"{quantity.title}, %"
    if quantity.digits is not None:
        return quantity.scale, quantity.title
    scale, unit = si_scale(max(value.mean for value in values), quantity.unit)
    return scale, f"{quantity.title}, {unit}" if unit else quantity.title
