"""Make report.md again from the records of a study.

The report is a function of the records alone: made again, it is the same byte for byte.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from greenbench.cli._carbon import add_carbon
from greenbench.energy.carbon import carbon_intensity


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of records, such as reports/local")
    add_carbon(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report and print its short form."""
    from greenbench.report import write_report

    report = write_report(args.folder, carbon_intensity(args.carbon))
    print("\n".join(report.summary))
    return 0
