"""The study's own Figures 2 to 7, drawn as a report's are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from greenbench.paper.cells import Interpretation
from greenbench.paper.pictures import Plot, published_plots
from greenbench.report.figures.figure import Figure
from greenbench.report.figures.scatter import CORRELATION, Point, Scatter, category_colors, scatter_spec

FROM_TABLES = "Published numbers of Badar et al., one run each, so without intervals. "


def published_scatters() -> Iterator[tuple[Plot, Scatter]]:
    """Yield the panels, and what a report's figures make of them."""
    for plot in published_plots():
        points = tuple(
            Point(
                dot.technique, dot.title, dot.category, dot.x, dot.y, x_text=f"{dot.x:g}", y_text=f"{dot.y:g}"
            )
            for dot in plot.dots
        )
        yield (
            plot,
            Scatter(plot.workload, plot.x, plot.y, points, ("lower", "higher") if plot.is_score else None),
        )


def published_figures() -> Iterator[Figure]:
    """Yield Figures 2 to 7."""
    for number, found in groupby(published_scatters(), key=lambda pair: pair[0].number):
        panels = [*found]
        scatters = [scatter for _, scatter in panels]
        colors = category_colors(scatters)
        plots = [plot for plot, _ in panels]
        readings = [reading for plot in plots for dot in plot.dots for reading in dot.readings]
        counts = {word: readings.count(Interpretation(word)) for word in ("corrected", "suspect")}
        doubts = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        note = f" Of the cells, {doubts} (greenbench audit says why)." if doubts else ""
        front = " The dashed line is the front." if plots[0].is_score else ""
        yield Figure(
            f"published-{number}",
            f"Figure {number} of the study: {plots[0].figure}",
            f"{FROM_TABLES}{CORRELATION}{front}{note}",
            tuple(scatter_spec(scatter, colors) for scatter in scatters),
            columns=2,
        )
