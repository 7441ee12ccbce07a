"""Print how far techniques may fall behind their baseline, as measured in a folder of records.

Each may lose what it lost there, and what chance does to such a comparison. The rows are those of a file for
--green-tolerances; with --into they take the place of the rows of the same scale in that file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from greenbench.paper.bounds import published_bounds
from greenbench.records.folder import RecordFolder
from greenbench.verdict.measured_bounds import SHARED, SIGMAS, measured_bounds
from greenbench.verdict.quantities import find_quantity
from greenbench.verdict.tolerances import Tolerance, as_toml, load_tolerances, read_tolerances

PAPER = "paper"
"""In place of a folder."""

HEADER = f"""\
# How far a technique may fall behind its baseline before its test fails. Made by `greenbench tolerances DIR --into FILE`.
#
# Rows whose source names seeds follow one rule from the records of DIR:
#   allowed = max(0, observed) + {SIGMAS:g} sd sqrt(2 / seeds measured + 2 / seeds tested), rounded up,
# for scores as a drop (a fraction), for costs in logarithms of the ratio; numbers that are counted have no sd, and times
# and energies may be {SHARED:g} times that, for other machines. Rows from the study's tables are those of
# `greenbench tolerances paper`. A row is for every technique that is not among its
# `techniques`; a quantity without a row is not checked. The most specific row counts.

"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "source", metavar="DIR", help="folder of records of two seeds or more; or paper: the published tables"
    )
    parser.add_argument(
        "--quantity",
        action="append",
        metavar="NAME",
        help="these alone; may be repeated (default: those of greenbench's own tolerances, of a measured folder without "
        "times and energies, whose ratios hold for one machine)",
    )
    parser.add_argument(
        "--into", type=Path, metavar="FILE", help="write there, beside the rows of other scales"
    )


def run(args: argparse.Namespace) -> int:
    """Print the rows, or write them."""
    own = dict.fromkeys(find_quantity(row.quantity) for row in load_tolerances())
    of_any_machine = [one for one in own if args.source == PAPER or not one.is_timed]
    quantities = [one.name for one in map(find_quantity, args.quantity or ())] or [
        one.name for one in of_any_machine
    ]
    rows = published_bounds(quantities) if args.source == PAPER else _measured(Path(args.source), quantities)
    if args.into is None:
        print(HEADER + as_toml(rows), end="")
        return 0
    scales = {row.scale for row in rows}
    others = read_tolerances(args.into) if args.into.exists() else ()
    kept = [row for row in others if row.scale not in scales]
    args.into.write_text(HEADER + as_toml([*rows, *kept]), encoding="utf-8")
    print(
        f"{args.into}: {len(rows)} rows of {', '.join(sorted(scales))} written, {len(kept)} of other scales kept"
    )
    return 0


def _measured(folder: Path, quantities: Sequence[str]) -> list[Tolerance]:
    records, _ = RecordFolder(folder).read_some()
    return measured_bounds(records, quantities)
