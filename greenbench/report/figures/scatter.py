"""One quantity against another, a point for each technique, with the rank correlation between the two."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from greenbench.report.figures.figure import COLORS, INK, PANEL_WIDTH, Spec, label, titled, tooltip
from greenbench.report.figures.labels import placed
from greenbench.spec.technique import BASELINE, CATEGORIES
from greenbench.verdict.correlation import Correlation, rank_correlation
from greenbench.verdict.front import not_beaten

HEIGHT = 220
MARGIN = 0.09
"""Of the range of the values, beyond them."""

FENCE = 3.0
"""Points this many interquartile ranges beyond the quartiles lie at the edge, so that they do not flatten the rest."""

WORTH_CUTTING = 5.0
"""But only where all points take so many times the room of the others."""

CORRELATION = (
    "ρ is Spearman's rank correlation over the techniques, with its 95 % interval: if it holds 0, none is shown. A triangle lies beyond the edge, "
    "and has its value beside its name."
)


@dataclass(frozen=True)
class Point:
    """A technique: its name and title, its category, its values with half of their intervals, and how they are written."""

    name: str
    title: str
    category: str
    x: float
    y: float
    x_half: float | None = None
    y_half: float | None = None
    x_text: str = ""
    y_text: str = ""


@dataclass(frozen=True)
class Scatter:
    """One panel. `better` says which ends are good, of x and of y; without it, no front is drawn."""

    title: str
    x: str
    y: str
    points: tuple[Point, ...]
    better: tuple[Literal["higher", "lower"], Literal["higher", "lower"]] | None = None

    @property
    def correlation(self) -> Correlation | None:
        """Between the ranks of the two; None with too few points."""
        return rank_correlation([point.x for point in self.points], [point.y for point in self.points])

    @property
    def front(self) -> list[Point]:
        """The points that no other one beats in both, from left to right."""
        if self.better is None:
            return []
        import numpy as np

        signs = [1 if better == "higher" else -1 for better in self.better]
        goods = np.array([[signs[0] * point.x, signs[1] * point.y] for point in self.points], dtype=float).T
        is_on = not_beaten(goods[..., None])[:, 0]
        on = [point for point, stays in zip(self.points, is_on, strict=True) if stays]
        return sorted(on, key=lambda point: (point.x, point.y))


def scatter_spec(scatter: Scatter, colors: Mapping[str, str]) -> Spec:
    """Return a panel; `colors` are those of the categories in all panels of its figure."""
    x_range, y_range = (_range(scatter.points, axis) for axis in ("x", "y"))
    front = scatter.front
    values = _values(scatter, x_range, y_range)
    x = _axis("x", scatter.x, x_range)
    y = _axis("y", scatter.y, y_range)
    color = {
        "field": "category",
        "type": "nominal",
        "scale": {"domain": [*colors], "range": [*colors.values()]},
        "legend": {"title": None, "orient": "bottom", "columns": 2},
    }
    correlation = scatter.correlation
    said = (
        f"{correlation}" if correlation else f"{len(scatter.points)} points: too few for a rank correlation"
    )
    layers: list[Spec] = [
        _interval("x", x, {**y, "field": "y"}, color),
        _interval("y", {**x, "field": "x"}, y, color),
        {
            "mark": {"type": "point", "filled": True, "size": 55, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "color": color,
                "shape": {"field": "shape", "type": "nominal", "scale": None},
                "tooltip": tooltip((("title", "Technique"), ("x_text", scatter.x), ("y_text", scatter.y))),
            },
        },
        *(
            {
                "transform": [{"filter": f"datum.align === '{align}'"}],
                "mark": {
                    "type": "text",
                    "align": align,
                    "dx": {"expr": "datum.dx"},
                    "dy": {"expr": "datum.dy"},
                },
                "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
            }
            for align in sorted({value["align"] for value in values if value["align"]})
        ),
    ]
    if len(front) > 1 and scatter.better is not None:
        # A cost is had until the next point on the front, a score too.
        layers.insert(
            0,
            {
                "data": {"values": [{"x": point.x, "y": point.y} for point in front]},
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "clip": True,
                    "color": INK,
                    "strokeDash": [3, 3],
                    "strokeWidth": 1,
                },
                "encoding": {"x": x, "y": y},
            },
        )
    return {
        "title": titled(scatter.title, said),
        "width": PANEL_WIDTH,
        "height": HEIGHT,
        "data": {"values": values},
        "layer": layers,
    }


def category_colors(scatters: Sequence[Scatter]) -> dict[str, str]:
    """Return the colors of the categories in some panels, in order; one has the same color in every figure."""
    found = dict.fromkeys(point.category for scatter in scatters for point in scatter.points)
    ordered = sorted(found, key=lambda name: (_place(name), name))
    return {
        name: INK if name == CATEGORIES[0] else COLORS[(_place(name) - 1) % len(COLORS)] for name in ordered
    }


def _place(category: str) -> int:
    return CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)


def _values(
    scatter: Scatter, x_range: tuple[float, float], y_range: tuple[float, float]
) -> list[dict[str, Any]]:
    on_front = {point.name for point in scatter.front}
    first = sorted(scatter.points, key=lambda point: (point.name != BASELINE, point.name not in on_front))
    at = [(_within(point.x, x_range), _within(point.y, y_range)) for point in first]
    pixels = [
        (
            PANEL_WIDTH * (x - x_range[0]) / (x_range[1] - x_range[0]),
            HEIGHT * (y_range[1] - y) / (y_range[1] - y_range[0]),
        )
        for x, y in at
    ]
    texts = [
        label(point.title)
        + "".join(
            f" ({text})"
            for own, value, text in ((point.x, x, point.x_text), (point.y, y, point.y_text))
            if own != value
        )
        for point, (x, y) in zip(first, at, strict=True)
    ]
    return [
        {
            "name": point.name,
            "title": point.title,
            "category": point.category,
            "x": x,
            "y": y,
            "x_text": point.x_text,
            "y_text": point.y_text,
            "shape": _shape(point, x, y),
            **_ends("x", point.x, point.x_half, x_range),
            **_ends("y", point.y, point.y_half, y_range),
            "label": text if place else "",
            "align": place.align if place else "",
            "dx": place.dx if place else 0,
            "dy": place.dy if place else 0,
        }
        for point, (x, y), text, place in zip(
            first, at, texts, placed(pixels, texts, PANEL_WIDTH, HEIGHT), strict=True
        )
    ]


def _within(value: float, ends: tuple[float, float]) -> float:
    return min(max(value, ends[0]), ends[1])


def _shape(point: Point, x: float, y: float) -> str:
    if (x, y) == (point.x, point.y):
        return "diamond" if point.name == BASELINE else "circle"
    if x != point.x:
        return "triangle-right" if point.x > x else "triangle-left"
    return "triangle-up" if point.y > y else "triangle-down"


def _ends(axis: str, value: float, half: float | None, ends: tuple[float, float]) -> dict[str, float]:
    """Return where an interval begins and ends; nothing without one, or where it lies beyond the edge."""
    if half is None or not ends[0] <= value <= ends[1]:
        return {}
    return {f"{axis}_low": max(ends[0], value - half), f"{axis}_high": min(ends[1], value + half)}


def _range(points: Sequence[Point], axis: Literal["x", "y"]) -> tuple[float, float]:
    """Return what an axis shows: all points but outliers, and not every interval, of which a wide one would flatten the rest."""
    values = [getattr(point, axis) for point in points]
    first, _, third = (
        statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else (0.0, 0.0, 0.0)
    )
    reach = FENCE * (third - first)
    inside = [value for value in values if first - reach <= value <= third + reach] if reach else values
    low, high = min(inside), max(inside)
    if max(values) - min(values) < WORTH_CUTTING * (high - low):
        low, high = min(values), max(values)
    margin = MARGIN * (high - low) or abs(high) * MARGIN or 1.0
    return low - margin, high + margin


def _axis(field: str, title: str, ends: tuple[float, float]) -> dict[str, Any]:
    scale = {"domain": list(ends), "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": {"tickCount": 5}}


def _interval(axis: str, x: Mapping[str, Any], y: Mapping[str, Any], color: Spec) -> Spec:
    ends = {"x": x, "y": y}
    encoding = {**ends, axis: {**ends[axis], "field": f"{axis}_low"}, f"{axis}2": {"field": f"{axis}_high"}}
    return {
        "transform": [{"filter": f"isValid(datum.{axis}_low)"}],
        "mark": {"type": "rule", "strokeWidth": 1, "opacity": 0.55},
        "encoding": {**encoding, "color": color},
    }
