"""List the techniques with category, source and the tasks that they apply to.

Listed are those of the package, those of installed packages (entry-point group greenbench.techniques) and
those of the files given.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tabulate import tabulate

from greenbench.techniques import discover


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="technique files of your own")


def run(args: argparse.Namespace) -> int:
    """Print one line for each technique."""
    headers = ("Name", "Technique", "Category", "Source", "Applies to")
    rows = [
        (technique.name, technique.title, technique.category, technique.citation, ", ".join(technique.tasks))
        for technique in discover(args.files).values()
    ]
    print(tabulate(rows, headers=headers))
    return 0
