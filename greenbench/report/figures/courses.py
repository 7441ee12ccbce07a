"""How the score rises with what was spent: one panel for each set of trainings, a line for each technique."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean

from greenbench.records.record import Record, by_technique
from greenbench.report.escape import one_line
from greenbench.report.figures.figure import COLORS, INK, PANEL_WIDTH, Figure, Spec, named, titled, tooltip
from greenbench.report.sections import Section, distinct, row_order
from greenbench.spec.technique import BASELINE
from greenbench.units import si_scale
from greenbench.verdict.front import front
from greenbench.verdict.quantities import QUANTITIES, SCORE, Quantity
from greenbench.verdict.to_target import course, spent

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
MOST_LINES = len(COLORS) * len(DASHES) + 1
"""The baseline, and as many others as can be told apart; of more, those on the front of score against cost."""

CAPTION = (
    "Points are means over the runs after each evaluated epoch, and bands reach from the lowest run to the highest. Dashed lines are "
    "the targets of the tables. In report.html, a click on a name shows its line alone."
)


@dataclass(frozen=True)
class At:
    """Where the runs of a technique are after an epoch: mean cost, and mean, lowest and highest score."""

    epoch: int
    cost: float
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """One set of trainings.

    Attributes
    ----------
    title, cost, score
        Of the panel and of its axes.
    lines
        By technique, after each epoch that all of its runs evaluated.
    targets
        The scores that tables state the cost of.
    on_front
        Techniques on the front of score against cost.
    """

    title: str
    cost: str
    score: str
    lines: dict[str, list[At]]
    targets: tuple[float, ...]
    on_front: frozenset[str]


def figures(section: Section) -> Iterator[Figure]:
    """Yield the figure of score against the energy, or time, that was spent until then.

    None where no training was evaluated before its end beside a baseline.
    """
    panels = course_panels(section)
    if not panels:
        return
    techniques = {record.case.technique: record for record in section.records}
    names = sorted(
        {name for panel in panels for name in panel.lines}, key=lambda name: row_order(techniques[name])
    )
    if len(names) > MOST_LINES:
        on_front = {name for panel in panels for name in panel.on_front}
        names = [name for name in names if name == BASELINE or name in on_front][:MOST_LINES]
    titles = distinct({name: techniques[name].technique.title for name in names})
    yield Figure(
        "courses",
        "Score against what was spent",
        CAPTION,
        tuple(_spec(panel, names, titles) for panel in panels),
        columns=2,
    )


def course_panels(section: Section) -> list[Panel]:
    """Return the panels of a section: one for each set of trainings with a target."""
    panels = []
    for found in section.sets:
        if not found.targets:
            continue
        first = found.records[0]
        score, cost = SCORE.of(first.workload.metric), QUANTITIES[found.targets[0].quantity]
        lines = {name: _mean_course(records, cost) for name, records in by_technique(found.records).items()}
        lines = {name: points for name, points in lines.items() if points}
        if not lines:  # no epoch is one of all runs
            continue
        most = max(point.cost for points in lines.values() for point in points)
        scale, unit = si_scale(most, cost.unit)
        factor = 100 if score.unit == "%" else 1
        panels.append(
            Panel(
                one_line(f"{first.workload.title}{found.difference}"),
                f"{cost.title}{f', {unit}' if unit else ''}",
                one_line(f"{score.title}{f', {score.unit}' if score.unit else ''}"),
                {
                    name: [
                        At(p.epoch, p.cost / scale, factor * p.score, factor * p.low, factor * p.high)
                        for p in points
                    ]
                    for name, points in lines.items()
                },
                tuple(dict.fromkeys(factor * row.target for row in found.targets)),
                frozenset(name for name, place in front(found.records).items() if place.is_on),
            )
        )
    return panels


def _mean_course(records: Sequence[Record], quantity: Quantity) -> list[At]:
    found: dict[int, list[tuple[float, float]]] = {}
    for record in records:
        for point in course(record):
            cost = spent(point, quantity)
            if point.score is not None and cost is not None:
                found.setdefault(point.epoch, []).append((cost, point.score))
    return [
        At(epoch, fmean(x for x, _ in points), fmean(y for _, y in points), *_ends([y for _, y in points]))
        for epoch, points in sorted(found.items())
        if len(points) == len(records)
    ]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _spec(panel: Panel, names: Sequence[str], titles: Mapping[str, str]) -> Spec:
    shown = [name for name in names if name in panel.lines]
    looks = dict(zip((name for name in names if name != BASELINE), product(DASHES, COLORS), strict=False))
    values = [
        {
            "name": name,
            "title": titles[name],
            "x": round(point.cost, 6),
            "y": round(point.score, 4),
            "low": round(point.low, 4),
            "high": round(point.high, 4),
            "epoch": point.epoch,
        }
        for name in reversed(shown)  # the baseline above the others
        for point in panel.lines[name]
    ]
    scale = {"domain": shown}
    symbols = {
        "title": None,
        "labelExpr": named(titles),
        "symbolType": "stroke",
        "symbolSize": 300,
        "symbolOpacity": 1,
    }
    color = {
        "field": "name",
        "type": "nominal",
        "legend": symbols,
        "scale": scale | {"range": [looks[name][1] if name in looks else INK for name in shown]},
    }
    dash = {
        "field": "name",
        "type": "nominal",
        "legend": symbols,
        "scale": scale | {"range": [looks[name][0] if name in looks else [1, 0] for name in shown]},
    }
    x = {"field": "x", "type": "quantitative", "title": panel.cost, "scale": {"domainMin": 0}}
    y = {"field": "y", "type": "quantitative", "title": panel.score, "scale": {"zero": False}}
    chosen = {"condition": {"param": "chosen", "value": 1}, "value": 0.08}
    is_baseline = f"datum.name === '{BASELINE}'"
    band = {
        "condition": [
            {"param": "chosen", "empty": False, "value": 0.25},
            {"test": is_baseline, "value": 0.18},
        ],
        "value": 0.05,
    }
    fields = (("title", "Technique"), ("epoch", "Epoch"), ("x", panel.cost), ("y", panel.score))
    return {
        "title": titled(panel.title),
        "width": PANEL_WIDTH,
        "height": 220,
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "area"},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "color": color,
                    "opacity": band,
                },
            },
            {
                "params": [
                    {"name": "chosen", "select": {"type": "point", "fields": ["name"]}, "bind": "legend"}
                ],
                "mark": {"type": "line", "point": {"size": 12}},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": color,
                    "strokeDash": dash,
                    "strokeWidth": {"condition": {"test": is_baseline, "value": 2.4}, "value": 1.1},
                    "opacity": chosen,
                    "tooltip": tooltip(fields),
                },
            },
            {
                "data": {"values": [{"y": target} for target in panel.targets]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": INK, "strokeWidth": 0.8},
                "encoding": {"y": {"field": "y", "type": "quantitative"}},
            },
        ],
    }
