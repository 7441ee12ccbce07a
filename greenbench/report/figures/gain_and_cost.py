"""What each technique gains against what it costs: two columns of intervals for each comparable set."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenbench.records.record import by_technique
from greenbench.report.figures.figure import BLUE, GRAY, INK, RED, Figure, Spec, named, titled, tooltip
from greenbench.report.sections import ComparableSet, Section, distinct, row_order
from greenbench.report.values import measured
from greenbench.verdict.quantities import SCORE, TRAIN_ENERGY, TRAIN_TIME, Quantity

COLORS = {"better": BLUE, "worse": RED, "same": GRAY, "undecided": GRAY}
SETS_SHOWN, ROWS_SHOWN = 12, 60
"""More would be too small to read."""

FENCE = 3.0
"""Values are cut off this many interquartile ranges beyond the upper quartile of their lengths."""

WORTH_CUTTING = 1.5
"""But only if the longest is so many times longer than that."""

NO_RUN, NOT_APPLICABLE = "no run", "not applicable"

CAPTION = (
    "Points are differences from the baseline, or ratios to it, and lines their 95 % intervals. Blue is better than the baseline, "
    "orange worse; gray is the same where the point is filled, and undecided where it is open. A triangle lies beyond "
    "the edge, and has its value beside it."
)


@dataclass(frozen=True)
class Bar:
    """A technique's difference from the baseline, with its 95 % interval where there is one."""

    value: float
    low: float
    high: float
    word: str


@dataclass(frozen=True)
class Panel:
    """One column, by technique; those that are missing have no value.

    `neutral` is what makes no difference, `floor` the least length at which one is cut off, and `digits` how values are
    written.
    """

    head: str
    what: str
    bars: Mapping[str, Bar]
    neutral: float
    floor: float
    digits: str
    skipped: frozenset[str] = frozenset()

    @property
    def limit(self) -> float:
        """Length at which one is cut off, so that an outlier does not flatten the others."""
        lengths = [abs(bar.value - self.neutral) for bar in self.bars.values()]
        longest = max(lengths)
        if len(lengths) > 1:
            low, _, high = statistics.quantiles(lengths, n=4, method="inclusive")
            fence = max(self.floor, high + FENCE * (high - low))
            if longest > WORTH_CUTTING * fence:
                return fence
        return max(self.floor, longest)


def figures(section: Section) -> Iterator[Figure]:
    """Yield the figure of gain and cost; none where nothing was trained beside its baseline.

    The cost is training energy where every technique has it, and training time otherwise.
    """
    found = [panels for one in section.sets if (panels := set_panels(one))]
    panels = [panel for one in found[:SETS_SHOWN] for panel in one]
    techniques = {
        record.case.technique: record for one in section.sets for record in (*one.all, *one.skipped)
    }
    names = [
        name
        for name, record in sorted(techniques.items(), key=lambda item: row_order(item[1]))
        if any(name in panel.bars for panel in panels)
    ]
    if not names:
        return
    left_out = [
        f" The first {most} of {count} {what} are shown."
        for most, count, what in (
            (SETS_SHOWN, len(found), "workloads"),
            (ROWS_SHOWN, len(names), "techniques"),
        )
        if count > most
    ]
    names = names[:ROWS_SHOWN]
    titles = distinct({name: techniques[name].technique.title for name in names})
    yield Figure(
        "gain-and-cost",
        "Gain and cost against the baseline",
        CAPTION + "".join(left_out),
        tuple(_spec(panel, names, titles) for panel in panels),
        columns=2,
    )


def set_panels(found: ComparableSet) -> list[Panel]:
    """Return the panels of a set: gain and cost, as far as there are verdicts on them."""
    gains, energy, time = (_bars(found, quantity) for quantity in (SCORE, TRAIN_ENERGY, TRAIN_TIME))
    cost, ratios = (TRAIN_ENERGY, energy) if energy and energy.keys() >= gains.keys() else (TRAIN_TIME, time)
    if not gains and not ratios:
        return []
    panels = []
    record = found.records[0]
    skipped = frozenset(one.case.technique for one in found.skipped)
    head = f"{record.workload.title}{found.difference}"
    score = SCORE.of(record.workload.metric)
    percent = score.unit == "%"
    factor = 100 if percent else 1
    gains = {
        name: Bar(factor * bar.value, factor * bar.low, factor * bar.high, bar.word)
        for name, bar in gains.items()
    }
    if gains:
        unit = "points" if percent else score.unit
        what = f"{record.workload.metric.title}, {unit}".strip(", ")
        floor = factor * _margin(found, SCORE)
        panels.append(Panel(head, what, gains, 0.0, floor, "+.1f" if percent else "+.3g", skipped))
    ratios = {
        name: Bar(math.exp(bar.value), math.exp(bar.low), math.exp(bar.high), bar.word)
        for name, bar in ratios.items()
    }
    if ratios:
        floor = math.expm1(_margin(found, cost))
        panels.append(Panel(head, f"{cost.title.lower()}, ×", ratios, 1.0, floor, ".2f", skipped))
    return panels


def _margin(found: ComparableSet, quantity: Quantity) -> float:
    """Return the difference that does not matter."""
    return max(verdict.margin or 0.0 for verdict in found.verdicts if verdict.quantity == quantity.name)


def _bars(found: ComparableSet, quantity: Quantity) -> dict[str, Bar]:
    """Return the differences of the techniques that have the quantity in every run, as tables show them."""
    bars = {}
    runs = by_technique(found.records)
    for verdict in found.verdicts:
        if verdict.quantity == quantity.name and measured(quantity, runs[verdict.technique]) is not None:
            half = verdict.half_width or 0.0
            bars[verdict.technique] = Bar(
                verdict.difference, verdict.difference - half, verdict.difference + half, verdict.word
            )
    return bars


def _spec(panel: Panel, names: Sequence[str], titles: Mapping[str, str]) -> Spec:
    low, high = _edges(panel)
    pad = 0.05 * (high - low)
    values = [_value(panel, name, titles[name], low, high) for name in names]
    y = {
        "field": "name",
        "type": "nominal",
        "scale": {"domain": list(names)},
        "title": None,
        "axis": {"labelExpr": named(titles), "ticks": False, "domain": False},
    }
    axis = {"title": panel.what, "tickCount": 5}
    x = {
        "field": "value",
        "type": "quantitative",
        "scale": {"domain": [low - pad, high + pad], "nice": False},
        "axis": axis,
    }
    words = [*COLORS]
    color = {
        "field": "word",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": words, "range": [COLORS[word] for word in words]},
    }
    is_open = {"condition": {"test": "datum.word === 'undecided'", "value": 0}, "value": 1}
    fields = (("title", "Technique"), ("shown", panel.what), ("word", "Verdict"))
    return {
        "title": titled(panel.head),
        "width": 230,
        "height": {"step": 16},
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "color": INK, "strokeWidth": 1},
                "encoding": {"x": {"datum": panel.neutral}},
            },
            {
                "transform": [{"filter": "isValid(datum.high)"}],
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": color},
            },
            {
                "transform": [{"filter": "isValid(datum.value)"}],
                "mark": {"type": "point", "size": 45, "filled": False, "strokeWidth": 1.5},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": color,
                    "fill": color,
                    "fillOpacity": is_open,
                    "shape": {"field": "shape", "type": "nominal", "scale": None},
                    "tooltip": tooltip(fields),
                },
            },
            {
                "transform": [{"filter": "datum.beside !== ''"}],
                "mark": {
                    "type": "text",
                    "dx": {"expr": "datum.side * 8"},
                    "align": {"expr": "datum.side < 0 ? 'right' : 'left'"},
                },
                "encoding": {
                    "x": {**x, "field": "at"},
                    "y": y,
                    "text": {"field": "beside", "type": "nominal"},
                },
            },
        ],
    }


def _edges(panel: Panel) -> tuple[float, float]:
    """Return what is shown: all values and intervals that are not cut off."""
    ends = [end for bar in panel.bars.values() for end in (bar.value, bar.low, bar.high)]
    low, high = panel.neutral - panel.limit, panel.neutral + panel.limit
    return max(low, min(panel.neutral, *ends)), min(high, max(panel.neutral, *ends))


def _value(panel: Panel, name: str, title: str, low: float, high: float) -> dict[str, Any]:
    """Return what is drawn of a technique; beyond the edges, a triangle with its value beside it."""
    bar = panel.bars.get(name)
    if bar is None:
        reason = NOT_APPLICABLE if name in panel.skipped else NO_RUN
        return {
            "name": name,
            "title": title,
            "at": panel.neutral,
            "side": 1,
            "beside": reason,
            "word": "undecided",
        }
    beyond = not low <= bar.value <= high
    shape = "circle" if not beyond else "triangle-right" if bar.value > high else "triangle-left"
    at = min(max(bar.value, low), high)
    shown = f"{bar.value:{panel.digits}}"
    found: dict[str, Any] = {
        "name": name,
        "title": title,
        "value": at,
        "shape": shape,
        "word": bar.word,
        "shown": f"{shown} ({bar.low:{panel.digits}} to {bar.high:{panel.digits}})"
        if bar.high > bar.low
        else shown,
        "beside": shown if beyond else "",
        "at": at,
        "side": -1 if bar.value > panel.neutral else 1,
    }
    if bar.high > bar.low and not beyond:
        found |= {"low": max(bar.low, low), "high": min(bar.high, high)}
    return found
