"""The report as one HTML file, which needs no network: tables that sort, figures with values, cards, and every run.

All texts go through the template's escaping; what is Markdown is rendered without the HTML in it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from greenbench.data.cache import kept
from greenbench.energy.reading import Reading
from greenbench.report.conditions import condition_lines
from greenbench.report.content import Content, audit_lines, left_out_lines
from greenbench.report.escape import first_of, one_line
from greenbench.report.figures.figure import CONFIG, Figure, plain
from greenbench.report.legend import IN_SHORT, LEGEND, NOTHING_FOUND
from greenbench.report.page.runs import runs_of
from greenbench.report.table import Row
from greenbench.units import si
from greenbench.version import VERSION

MOST_NOTES = 200
"""Of a list; more would make a page of some megabytes."""


def render(content: Content) -> str:
    """Return the page."""
    runs, left_out = runs_of(content)
    anchors = {id(record): run.anchor for run in runs for record in run.records}
    return str(
        _environment()
        .get_template("page.html")
        .render(
            content=content,
            runs=runs,
            runs_left_out=left_out,
            anchor=lambda row: _anchor(row, anchors),
            version=VERSION,
            in_short=IN_SHORT,
            legend=LEGEND,
            style=_text("page.css"),
            script=_text("page.js"),
            vega=_library() if any(part.figures for part in content.parts) else "",
        )
    )


def _anchor(row: Row, anchors: dict[int, str]) -> str:
    """Return where the runs of a row stand; empty where they are left out."""
    return next((anchors[id(record)] for record in row.records if id(record) in anchors), "")


@cache
def _environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "markdown": _markdown,
        "line": one_line,
        "specs": _specs,
        "si": si,
        "reading": _reading,
        "first_of": lambda notes: first_of(notes, MOST_NOTES, "report.md"),
    }
    environment.globals |= {
        "conditions": condition_lines,
        "audit_lines": audit_lines,
        "left_out_lines": left_out_lines,
        "nothing_found": NOTHING_FOUND,
    }
    return environment


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _markdown(text: str) -> Any:
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    reader = MarkdownIt("commonmark", {"html": False}).disable(["image", "link", "autolink", "reference"])
    return Markup(reader.render(text))  # without the HTML, images and links in it


def _specs(figure: Figure) -> list[dict[str, Any]]:
    """Return what the page draws, one panel after another, so that they stand as the window has room."""
    own = {"config": CONFIG, "background": "transparent"}
    return [plain({**own, **panel}) for panel in figure.panels]


def _reading(reading: Reading) -> str:
    """Say in words how a reading came about."""
    half = reading.uncertainty_j
    facts = [
        reading.method,
        f"window of {si(reading.seconds, 's')}",
        *([f"± {si(half, 'J')}"] if half else []),
        *([f"{reading.ticks} updates of the source"] if reading.ticks else []),
        *([f"{reading.mean_power_w:.3g} W on average"] if reading.mean_power_w else []),
        *([f"extrapolated {reading.scaled_by:.3g} times"] if reading.scaled_by != 1 else []),
        *([f"device {reading.device}"] if reading.device else []),
        *([f"of {reading.boundary}"] if reading.boundary else []),
        *([reading.reason] if reading.reason else []),
        *reading.notes,
    ]
    return f"{reading.status}: {'; '.join(facts)}"


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script (BSD 3-Clause). Putting it together takes a second or two."""
    import numpy as np
    import vl_convert

    def bundle() -> Any:
        script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace(
            "</script", r"<\/script"
        )
        return np.frombuffer(script.encode(), dtype=np.uint8)

    made = kept([Path(vl_convert.__file__)], version("vl-convert-python").encode(), bundle)
    return made.tobytes().decode()
