"""Show what the study's figures say in numbers, and draw them from its tables.

Printed are the rank correlations of Figures 2 to 7 (Spearman, 95 % interval), such as that of score and energy. Figure 1
shows curves whose numbers are not published.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tabulate import tabulate

from greenbench.errors import UserError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--figures", type=Path, metavar="DIR", help="draw Figures 2 to 7 into this folder")
    parser.add_argument("--png", action="store_true", help="as PNG, too")


def run(args: argparse.Namespace) -> int:
    """Print the correlations and draw the figures."""
    from greenbench.report.figures.published import published_figures, published_scatters

    if args.png and args.figures is None:
        raise UserError("--png is about figures", "say where to, with --figures DIR")
    rows = []
    for plot, scatter in published_scatters():
        found = scatter.correlation
        said = f"{found.rho:.2f} ({found.low:.2f} to {found.high:.2f})" if found else "too few"
        rows.append((plot.number, plot.workload, plot.x, plot.y, said, len(scatter.points)))
    headings = ("Figure", "Workload", "x", "y", "rank correlation", "n")
    print(tabulate(rows, headings, disable_numparse=True))
    for figure in published_figures() if args.figures is not None else ():
        for path in figure.paths(args.figures, png=args.png):
            try:
                figure.write(path)
            except OSError as error:
                raise UserError(
                    f"{path} cannot be written ({error.strerror})", "choose another folder with --figures"
                ) from error
            print(path)
    return 0
