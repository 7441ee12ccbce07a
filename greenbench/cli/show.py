"""Show the method card of a technique: what it does, its source and settings, what deviates and is unknown."""

from __future__ import annotations

import argparse
from pathlib import Path

from greenbench.techniques import discover, find


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", metavar="NAME", help="name of a technique, as greenbench list prints it")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="technique files of your own")


def run(args: argparse.Namespace) -> int:
    """Print the card below the technique's title, category, citation and tasks."""
    technique = find(discover(args.files), args.name)
    print(f"{technique.title} ({technique.name})")
    print(f"{technique.category}; {technique.citation}; {', '.join(technique.tasks)}; {technique.source}")
    print()
    print(technique.card)
    return 0
