"""What each technique gains against what it costs, as a picture: two columns of bars for each comparable set."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.records.record import by_technique
from greenbench.report.escape import one_line, shortened
from greenbench.report.figures.svg import svg_figure
from greenbench.report.sections import ComparableSet, Section, distinct, row_order
from greenbench.report.values import measured
from greenbench.units import MISSING
from greenbench.verdict.quantities import SCORE, TRAIN_ENERGY, TRAIN_TIME, Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMN_INCHES, ROW_INCHES, MARGIN_INCHES = 1.35, 0.21, 1.2
COLORS = {"better": "#2b6cb0", "worse": "#c05621", "same": "#718096", "undecided": "#718096"}
TITLE_WIDTH = 24
SETS_SHOWN, ROWS_SHOWN = 12, 60
"""More would be too small to read, and take minutes to draw."""

FENCE = 3.0
"""Bars are cut off this many interquartile ranges beyond the upper quartile of their lengths."""

WORTH_CUTTING = 1.5
"""But only if the longest is so many times longer than that."""


@dataclass(frozen=True)
class Bar:
    """A technique's difference from the baseline, with its 95 % interval where there is one."""

    value: float
    low: float
    high: float
    word: str


@dataclass(frozen=True)
class Panel:
    """One column of bars, by technique; those that are missing have no value.

    `neutral` is where the bars start, and `floor` the least length at which one is cut off.
    """

    title: str
    bars: Mapping[str, Bar]
    neutral: float
    floor: float

    @property
    def limit(self) -> float:
        """Length at which a bar is cut off, so that one outlier does not flatten the others."""
        lengths = [abs(bar.value - self.neutral) for bar in self.bars.values()]
        longest = max(lengths)
        if len(lengths) > 1:
            low, _, high = statistics.quantiles(lengths, n=4, method="inclusive")
            fence = max(self.floor, high + FENCE * (high - low))
            if longest > WORTH_CUTTING * fence:
                return fence
        return max(self.floor, longest)


def draw(section: Section, path: Path) -> Path | None:
    """Draw gain and cost of every technique against its baseline, as SVG; the file is the same every time.

    The cost is training energy where every technique has it, and training time otherwise.

    Returns
    -------
    Path or None
        None where nothing was trained beside its baseline.
    """
    found = [panels for one in section.sets if (panels := set_panels(one))]
    panels = [panel for one in found[:SETS_SHOWN] for panel in one]
    techniques = {record.case.technique: record for record in section.records}
    names = [
        name
        for name, record in sorted(techniques.items(), key=lambda item: row_order(item[1]))
        if any(name in panel.bars for panel in panels)
    ]
    if not names:
        return None
    left_out = [
        f"the first {most} of {count} {what} are shown"
        for most, count, what in (
            (SETS_SHOWN, len(found), "workloads"),
            (ROWS_SHOWN, len(names), "techniques"),
        )
        if count > most
    ]
    names = names[:ROWS_SHOWN]
    titles = distinct({name: techniques[name].technique.title for name in names})
    size = (1.4 + COLUMN_INCHES * len(panels), MARGIN_INCHES + ROW_INCHES * len(names))
    with svg_figure(path, size) as figure:
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axis, panel in zip(axes, panels, strict=True):
            _draw_panel(axis, panel, names)
        labels = [shortened(one_line(titles[name]), TITLE_WIDTH) for name in names]
        axes[0].set_yticks(range(len(names)), labels)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        if left_out:
            figure.supxlabel("; ".join(left_out))
    return path


def set_panels(found: ComparableSet) -> list[Panel]:
    """Return the panels of a set: gain and cost, as far as there are verdicts on them."""
    gains, energy, time = (_bars(found, quantity) for quantity in (SCORE, TRAIN_ENERGY, TRAIN_TIME))
    cost, ratios = (TRAIN_ENERGY, energy) if energy and energy.keys() >= gains.keys() else (TRAIN_TIME, time)
    if not gains and not ratios:
        return []
    panels = []
    record = found.records[0]
    head = f"{record.workload.title}{f' ({found.caption})' if found.caption else ''}"
    score = SCORE.of(record.workload.metric)
    percent = score.unit == "%"
    factor = 100 if percent else 1
    gains = {
        name: Bar(factor * bar.value, factor * bar.low, factor * bar.high, bar.word)
        for name, bar in gains.items()
    }
    if gains:
        unit = "points" if percent else score.unit
        title = _title(head, f"{record.workload.metric.title}, {unit}".strip(", "))
        panels.append(Panel(title, gains, 0.0, factor * _margin(found, SCORE)))
    ratios = {
        name: Bar(math.exp(bar.value), math.exp(bar.low), math.exp(bar.high), bar.word)
        for name, bar in ratios.items()
    }
    if ratios:
        title = _title(head, f"{cost.title.lower()}, ×")
        panels.append(Panel(title, ratios, 1.0, math.expm1(_margin(found, cost))))
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


def _draw_panel(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    limit = panel.limit
    drawn: list[tuple[int, float, str]] = []
    intervals: list[tuple[int, float, float]] = []
    for row, name in enumerate(names):
        bar = panel.bars.get(name)
        if bar is None:
            axes.annotate(MISSING, (panel.neutral, row), (3, 0), textcoords="offset points", va="center")
            continue
        length = bar.value - panel.neutral
        cut = abs(length) > limit
        end = math.copysign(limit, length) if cut else length
        drawn.append((row, end, COLORS[bar.word]))
        if cut:
            side = math.copysign(1, length)
            axes.annotate(
                f"{bar.value:.3g}",
                (panel.neutral + end, row),
                (-3 * side, 0),
                textcoords="offset points",
                ha="right" if side > 0 else "left",
                va="center",
                color="white",
                fontsize=7,
            )
        elif bar.high > bar.low:
            intervals.append((row, bar.low, bar.high))
    # All at once: one call for each bar takes minutes where there are many.
    rows, ends, colors = zip(*drawn, strict=True) if drawn else ((), (), ())
    axes.barh(rows, ends, left=panel.neutral, height=0.7, color=colors)
    if intervals:
        axes.hlines(*zip(*intervals, strict=True), color="black", linewidth=0.8)
    axes.axvline(panel.neutral, color="black", linewidth=0.8)
    shown = [min(max(bar.value - panel.neutral, -limit), limit) for bar in panel.bars.values()]
    margin = 0.08 * limit
    axes.set_xlim(panel.neutral + min(0.0, *shown) - margin, panel.neutral + max(0.0, *shown) + margin)
    axes.set_title(panel.title, fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _title(head: str, what: str) -> str:
    return "\n".join(
        [*textwrap.wrap(one_line(head), TITLE_WIDTH), *textwrap.wrap(one_line(what), TITLE_WIDTH)]
    )
