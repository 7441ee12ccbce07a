"""How figures are written: the same bytes every time, with texts as texts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def svg_figure(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Give an empty figure of `size` (width and height in inches), and write it to `path` afterwards."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with (
        mpl.rc_context(
            {"svg.hashsalt": "greenbench", "svg.fonttype": "none", "font.size": 8, "text.parse_math": False}
        ),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the viewer's font may have it
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        figure.savefig(path, format="svg", metadata={"Date": None})
