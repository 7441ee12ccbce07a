"""Figures of a report. Each module with a function ``figures`` is one or several of them."""

from __future__ import annotations

from collections.abc import Iterator

from greenbench.energy.carbon import CarbonIntensity
from greenbench.report.figures import classes, courses, gain_and_cost, parts, tradeoffs
from greenbench.report.figures.figure import Figure
from greenbench.report.sections import Section


def section_figures(section: Section, intensity: CarbonIntensity) -> Iterator[Figure]:
    """Yield the figures of a section, as far as there is something to show."""
    yield from gain_and_cost.figures(section)
    yield from courses.figures(section)
    yield from tradeoffs.figures(section, intensity)
    yield from classes.figures(section)
    yield from parts.figures(section)
