"""What a figure is: a Vega-Lite specification, which is a picture in a file and an interactive one in a page.

Source of the language: Satyanarayan et al. 2017, Vega-Lite, IEEE TVCG 23(1).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from greenbench.atomic import whole_file
from greenbench.report.escape import one_line, shortened

FOLDER = "figures"
"""Below the folder of the records."""

Spec = Mapping[str, Any]

INK = "currentColor"
"""Black in a file; in a page, the color of its text."""

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#b8a800",
)
GRAY = "#767676"
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW)
"""Told apart by people who do not see all colors (Okabe and Ito 2008), the last one made darker."""

PANEL_WIDTH = 250
TITLE_WIDTH = 28
"""Characters of a technique's title."""

FONT = "Liberation Sans, Arimo, Helvetica, Arial, sans-serif"

CONFIG: Spec = {
    "font": FONT,
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": GRAY,
        "tickColor": GRAY,
        "gridColor": GRAY,
        "gridOpacity": 0.25,
        "titleFontWeight": "normal",
        "labelLimit": 190,
    },
    "legend": {"labelColor": INK, "titleColor": INK, "symbolStrokeColor": INK, "labelLimit": 190},
    "title": {"color": INK, "subtitleColor": INK, "anchor": "start", "fontSize": 12, "limit": 300},
    "text": {"color": INK, "fontSize": 9},
    "view": {"stroke": None},
    "concat": {"spacing": 24},
}


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    name
        Of its file.
    title
        What it shows.
    caption
        How it is read.
    panels
        Specifications in Vega-Lite, one for each of its views.
    columns
        Panels beside each other in a file.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Spec, ...]
    columns: int = 3

    @property
    def picture(self) -> Spec:
        """The specification of all panels."""
        return {
            "background": "white",
            "padding": 8,
            "config": CONFIG,
            "columns": min(self.columns, len(self.panels)),
            "concat": list(self.panels),
            "resolve": {
                "scale": {"color": "independent", "shape": "independent", "strokeDash": "independent"}
            },
        }

    def paths(self, folder: Path, *, png: bool) -> list[Path]:
        """Return the files that it is written to."""
        return [folder / f"{self.name}{suffix}" for suffix in (".svg", *([".png"] if png else []))]

    def write(self, path: Path) -> None:
        """Write it, as SVG or PNG by the file's suffix: the same bytes every time."""
        import vl_convert

        text = json.dumps(plain(self.picture))
        content = (
            vl_convert.vegalite_to_svg(text).encode()
            if path.suffix == ".svg"
            else vl_convert.vegalite_to_png(text, scale=2)
        )
        with whole_file(path, synced=False) as file:
            file.write(content)


def plain(value: Any) -> Any:
    """Return a specification with texts that any file can hold, and null for numbers that JSON has not."""
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, str):
        return one_line(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def numbered(figures: Iterable[Figure], number: int) -> list[Figure]:
    """Return the figures of a report's section, with its number in their names."""
    return [replace(figure, name=f"{number}-{figure.name}") for figure in figures]


def titled(title: str, *subtitles: str) -> Spec:
    """Return the head of a panel."""
    head = {"text": shortened(one_line(title), 44)}
    return head | {"subtitle": [one_line(line) for line in subtitles]} if subtitles else head


def label(title: str) -> str:
    """Return how a technique is called in a figure."""
    return shortened(one_line(title), TITLE_WIDTH)


def named(titles: Mapping[str, str]) -> str:
    """Return an expression of Vega that writes titles in the place of names, which tell techniques apart."""
    return f"{json.dumps({name: label(title) for name, title in titles.items()})}[datum.value]"


def tooltip(fields: Sequence[tuple[str, str]]) -> list[Spec]:
    """Return what is shown of a point where the mouse is, from fields and their titles."""
    return [{"field": field, "type": "nominal", "title": one_line(title)} for field, title in fields]
