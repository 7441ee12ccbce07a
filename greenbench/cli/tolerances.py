"""Print how far techniques may fall behind their baseline, as measured in a folder of records.

Each may lose what it lost there, and what chance does to such a comparison. The rows are those of a file for
--green-tolerances; with --into they take the place of the rows of the same scale in that file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder
from greenbench.verdict.measured_bounds import SHARED, SIGMAS, measured_bounds
from greenbench.verdict.quantities import find_quantity
from greenbench.verdict.tolerances import as_toml, load_tolerances, read_tolerances

HEADER = f"""\
# How far a technique may fall behind its baseline before its test fails. Made by `greenbench tolerances DIR --into FILE`.
#
# Rows whose source names seeds follow one rule from the records of DIR:
#   allowed = max(0, observed) + {SIGMAS:g} sd sqrt(2 / seeds measured + 2 / seeds tested), rounded up,
# for scores as a drop (a fraction), for costs in logarithms of the ratio; numbers that are counted have no sd, and times
# and energies may be {SHARED:g} times that, for other machines. A row is for every technique that is not among its
# `techniques`; a quantity without a row is not checked. The most specific row counts.

"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of records of three seeds or more")
    parser.add_argument(
        "--quantity",
        action="append",
        metavar="NAME",
        help="these alone; may be repeated (default: those that greenbench's own tolerances are about)",
    )
    parser.add_argument(
        "--into", type=Path, metavar="FILE", help="write there, beside the rows of other scales"
    )


def run(args: argparse.Namespace) -> int:
    """Print the rows, or write them."""
    chosen = args.quantity or dict.fromkeys(row.quantity for row in load_tolerances())
    quantities = [find_quantity(name).name for name in chosen]
    records, left_out = RecordFolder(args.folder).read()
    if not records:
        raise UserError(
            f"{args.folder} holds no records ({len(left_out)} other JSON files)",
            "give the folder of a study, such as reports/local",
        )
    rows = measured_bounds(records, quantities)
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
