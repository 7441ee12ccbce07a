"""Make report.md, report.html and the files beside them again from the records of a study.

The report is a function of the records alone: made again, it is the same byte for byte.
"""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from greenbench.cli._carbon import add_carbon
from greenbench.energy.carbon import carbon_intensity
from greenbench.errors import UserError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of records, such as reports/local")
    parser.add_argument("--open", action="store_true", help="show report.html in the browser")
    parser.add_argument("--png", action="store_true", help="write the figures as PNG, too")
    add_carbon(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report and print its short form."""
    from greenbench.report import write_report

    report = write_report(args.folder, carbon_intensity(args.carbon), png=args.png)
    print("\n".join(report.summary))
    if args.open and not webbrowser.open(report.page.absolute().as_uri()):
        raise UserError(f"no browser can be started here to show {report.page}", "open that file yourself")
    return 0
