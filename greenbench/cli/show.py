"""Show the card of a technique or workload: what it does, its source and settings, what deviates and is unknown."""

from __future__ import annotations

import argparse
from pathlib import Path

from greenbench.cli._faults import show_faults
from greenbench.errors import UserError
from greenbench.study.catalog import discover


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", metavar="NAME", help="a name that greenbench list prints")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="Python files of your own")


def run(args: argparse.Namespace) -> int:
    """Print the card below what the catalog knows."""
    catalog = discover(args.files)
    if args.name in catalog.workloads:
        workload = catalog.workloads[args.name]
        facts = f"{workload.task}; {workload.metric.title}; {', '.join(workload.settings)}; {workload.source.name}"
        title, card = workload.title, workload.card
    elif set(args.name.split("+")) <= set(catalog.techniques):
        technique = catalog.technique(args.name)
        facts = (
            f"{technique.category}; {technique.citation}; {', '.join(technique.tasks or ('all tasks',))}; "
        )
        if technique.collection:
            facts += f"collection {technique.collection}; "
        facts += technique.source.name
        title, card = technique.title, technique.card
    else:
        show_faults(catalog)
        known = ", ".join([*catalog.techniques, *catalog.workloads])
        raise UserError(f"{args.name!r} is neither a technique nor a workload", f"choose one of {known}")
    print(f"{title} ({args.name})\n{facts}\n\n{card}")
    return show_faults(catalog)
