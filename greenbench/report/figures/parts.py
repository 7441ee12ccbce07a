"""What a training's cost is made of, and the power that it drew from epoch to epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from greenbench.energy.reading import Reading
from greenbench.records.record import Record, by_technique
from greenbench.records.results import Training
from greenbench.report.figures.figure import (
    BLUE,
    COLORS,
    GREEN,
    INK,
    ORANGE,
    PANEL_WIDTH,
    PINK,
    Figure,
    Spec,
    named,
    titled,
    tooltip,
)
from greenbench.report.sections import ComparableSet, Section, distinct
from greenbench.spec.technique import BASELINE
from greenbench.units import si, si_scale

PARTS = {"training": BLUE, "evaluation": ORANGE, "teacher": PINK, "compiling": GREEN}
MOST_LINES = len(COLORS) + 1

_Split = Mapping[str, float]


def figures(section: Section) -> Iterator[Figure]:
    """Yield the figure of the parts, and that of the power where energy was measured."""
    trained = [
        found for found in section.sets if any(isinstance(one.result, Training) for one in found.records)
    ]
    parts = [_parts_spec(found) for found in trained if len(by_technique(found.records)) > 1]
    if parts:
        caption = "Means over the runs, in joules where all runs of a panel have them, and else in seconds."
        yield Figure("parts", "What a training costs, part by part", caption, tuple(parts))
    power = [spec for found in trained if (spec := _power_spec(found)) is not None]
    if power:
        caption = (
            "Mean power of each epoch's training work, of the first run of each technique, against the time that it trained. "
            f"Shown are the baseline and the first {MOST_LINES - 1} techniques."
        )
        yield Figure("power", "Power from epoch to epoch", caption, tuple(power))


def _parts_spec(found: ComparableSet) -> Spec:
    runs = by_technique(found.records)
    in_joules = all(_split(record, _joules) is not None for record in found.records)
    take, unit = (_joules, "J") if in_joules else (_seconds, "s")
    means = {
        name: _mean([_split(record, take) or {} for record in records]) for name, records in runs.items()
    }
    scale, prefixed = si_scale(max(sum(mean.values()) for mean in means.values()), unit)
    titles = distinct({name: records[0].technique.title for name, records in runs.items()})
    values = [
        {
            "name": name,
            "title": titles[name],
            "part": part,
            "place": place,
            "value": value / scale,
            "shown": si(value, unit),
        }
        for name, mean in means.items()
        for place, (part, value) in enumerate(mean.items())
        if value
    ]
    there = [part for part in PARTS if any(value["part"] == part for value in values)]
    what = "Energy" if in_joules else "Time"
    return {
        "title": titled(f"{found.records[0].workload.title}{found.difference}"),
        "width": PANEL_WIDTH,
        "height": {"step": 14},
        "data": {"values": values},
        "mark": {"type": "bar", "height": 9},
        "encoding": {
            "y": {
                "field": "name",
                "type": "nominal",
                "title": None,
                "scale": {"domain": list(runs)},
                "axis": {"labelExpr": named(titles), "ticks": False, "domain": False},
            },
            "x": {"field": "value", "type": "quantitative", "title": f"{what}, {prefixed}", "stack": "zero"},
            "order": {"field": "place", "type": "quantitative"},
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": there, "range": [PARTS[part] for part in there]},
                "legend": {"title": None, "orient": "bottom"},
            },
            "tooltip": tooltip((("title", "Technique"), ("part", "Part"), ("shown", what))),
        },
    }


def _split(record: Record, take: Callable[[Reading], float | None]) -> _Split | None:
    """Return the parts of a run's cost; None where one of them is not known."""
    result = record.result
    if not isinstance(result, Training):
        return None
    timed = {
        "evaluation": result.evaluation_energy,
        "teacher": result.teacher,
        "compiling": result.warm_up,
    }
    found: dict[str, float | None] = {
        name: take(reading) for name, reading in timed.items() if reading is not None
    }
    whole = result.train_seconds if take is _seconds else take(result.energy)
    if take is _seconds:
        found["evaluation"] = result.evaluation_seconds
    if whole is None or None in found.values():
        return None
    return {
        "training": whole - (found.get("teacher") or 0.0),
        **{name: value or 0.0 for name, value in found.items()},
    }


def _joules(reading: Reading) -> float | None:
    return reading.energy_j


def _seconds(reading: Reading) -> float | None:
    return reading.seconds


def _mean(splits: Sequence[_Split]) -> dict[str, float]:
    return {part: fmean(split.get(part, 0.0) for split in splits) for part in PARTS}


def _power_spec(found: ComparableSet) -> Spec | None:
    runs = by_technique(found.records)
    names = [name for name in runs if isinstance(runs[name][0].result, Training)][:MOST_LINES]
    steps = {name: courses for name in names if (courses := _powers(runs[name][0]))}
    if not steps:
        return None
    titles = distinct({name: runs[name][0].technique.title for name in steps})
    scale, unit = si_scale(max(row["end"] for rows in steps.values() for row in rows), "s")
    values = [
        {"name": name, "title": titles[name], "x": x / scale, "y": row["watts"], "epoch": row["epoch"]}
        for name, rows in steps.items()
        for row in rows
        for x in (row["begin"], row["end"])
    ]
    colors = dict(zip((name for name in steps if name != BASELINE), COLORS, strict=False))
    return {
        "title": titled(found.records[0].workload.title),
        "width": PANEL_WIDTH,
        "height": 180,
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 1.3},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": f"Training time, {unit}"},
            "y": {"field": "y", "type": "quantitative", "title": "Mean power, W", "scale": {"zero": False}},
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": list(steps), "range": [colors.get(name, INK) for name in steps]},
                "legend": {"title": None, "labelExpr": named(titles), "symbolType": "stroke"},
            },
            "tooltip": tooltip((("title", "Technique"), ("epoch", "Epoch"), ("y", "Mean power, W"))),
        },
    }


def _powers(record: Record) -> list[dict[str, Any]]:
    """Return each epoch's time and mean power; none where one of them has no energy."""
    assert isinstance(record.result, Training)
    rows: list[dict[str, Any]] = []
    at = 0.0
    for epoch in record.result.curve:
        joules = epoch.energy.energy_j
        if joules is None or not epoch.energy.seconds:
            return []
        end = at + epoch.seconds
        rows.append({"epoch": epoch.epoch, "begin": at, "end": end, "watts": joules / epoch.energy.seconds})
        at = end
    return rows
