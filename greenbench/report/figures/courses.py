"""How the score rises with what was spent, as a picture: one panel for each set of trainings, a line for each technique."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from greenbench.records.record import Record, by_technique
from greenbench.report.escape import one_line, shortened
from greenbench.report.figures.svg import svg_figure
from greenbench.report.sections import Section, distinct, row_order
from greenbench.spec.technique import BASELINE
from greenbench.units import si_scale
from greenbench.verdict.front import front
from greenbench.verdict.quantities import QUANTITIES, SCORE, Quantity
from greenbench.verdict.to_target import course, spent

PANEL_INCHES, LEGEND_INCHES, LEGEND_ROW_INCHES = (2.6, 2.4), 1.6, 0.16
PANELS_IN_A_ROW = 3
TITLE_WIDTH = 24
STYLES = ("-", "--", ":")
MOST_LINES = 31
"""The baseline, and as many others as can be told apart; of more, those on the front of score against cost."""


@dataclass(frozen=True)
class Panel:
    """One set of trainings.

    Attributes
    ----------
    title, cost, score
        Of the panel and of its axes.
    lines
        By technique: means over its runs of (cost, score) after each epoch that all of them evaluated.
    targets
        The scores that tables state the cost of.
    on_front
        Techniques on the front of score against cost.
    """

    title: str
    cost: str
    score: str
    lines: dict[str, list[tuple[float, float]]]
    targets: tuple[float, ...]
    on_front: frozenset[str]


def draw_courses(section: Section, path: Path) -> Path | None:
    """Draw score against the energy, or time, that was spent until then, as SVG; the file is the same every time.

    Returns
    -------
    Path or None
        None where no training was evaluated before its end beside a baseline.
    """
    panels = course_panels(section)
    if not panels:
        return None
    techniques = {record.case.technique: record for record in section.records}
    names = sorted(
        {name for panel in panels for name in panel.lines}, key=lambda name: row_order(techniques[name])
    )
    if len(names) > MOST_LINES:
        on_front = {name for panel in panels for name in panel.on_front}
        names = [name for name in names if name == BASELINE or name in on_front][:MOST_LINES]
    titles = distinct({name: techniques[name].technique.title for name in names})
    columns = min(len(panels), PANELS_IN_A_ROW)
    rows = math.ceil(len(panels) / columns)
    height = max(rows * PANEL_INCHES[1], 0.4 + LEGEND_ROW_INCHES * len(names))
    with svg_figure(path, (columns * PANEL_INCHES[0] + LEGEND_INCHES, height)) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        looks = _looks(names)
        for axis, panel in zip(axes, panels, strict=False):
            for name in reversed(names):  # the baseline above the others
                points = panel.lines.get(name, [])
                axis.plot([x for x, _ in points], [y for _, y in points], marker=".", **looks[name])
            for target in panel.targets:
                axis.axhline(target, color="black", linewidth=0.6, linestyle=(0, (4, 4)))
            axis.set_title(panel.title, fontsize=8)
            axis.set_xlabel(panel.cost)
            axis.set_ylabel(panel.score)
            axis.set_xlim(left=0)
            axis.grid(alpha=0.3)
        for axis in axes[len(panels) :]:
            axis.set_axis_off()
        handles = [axes[0].plot([], [], marker=".", **looks[name])[0] for name in names]
        labels = [shortened(one_line(titles[name]), TITLE_WIDTH) for name in names]
        figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=7)
    return path


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
        most = max(x for points in lines.values() for x, _ in points)
        scale, unit = si_scale(most, cost.unit)
        factor = 100 if score.unit == "%" else 1
        caption = f" ({found.caption})" if found.caption else ""
        panels.append(
            Panel(
                one_line(f"{first.workload.title}{caption}"),
                f"{cost.title}{f', {unit}' if unit else ''}",
                one_line(f"{score.title}{f', {score.unit}' if score.unit else ''}"),
                {name: [(x / scale, factor * y) for x, y in points] for name, points in lines.items()},
                tuple(dict.fromkeys(factor * row.target for row in found.targets)),
                frozenset(name for name, place in front(found.records).items() if place.is_on),
            )
        )
    return panels


def _mean_course(records: Sequence[Record], quantity: Quantity) -> list[tuple[float, float]]:
    found: dict[int, list[tuple[float, float]]] = {}
    for record in records:
        for point in course(record):
            cost = spent(point, quantity)
            if point.score is not None and cost is not None:
                found.setdefault(point.epoch, []).append((cost, point.score))
    return [
        (fmean(x for x, _ in points), fmean(y for _, y in points))
        for _, points in sorted(found.items())
        if len(points) == len(records)
    ]


def _looks(names: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return how each technique's line looks: the baseline black and thick, the others told apart by color and dashes."""
    from matplotlib import colormaps

    colors = colormaps["tab10"].colors  # type: ignore[attr-defined]
    others = [name for name in names if name != BASELINE]
    looks: dict[str, dict[str, object]] = {
        name: {
            "color": colors[place % len(colors)],
            "linestyle": STYLES[place // len(colors) % len(STYLES)],
            "linewidth": 0.9,
            "markersize": 3,
        }
        for place, name in enumerate(others)
    }
    return looks | {BASELINE: {"color": "black", "linestyle": "-", "linewidth": 1.8, "markersize": 4}}
