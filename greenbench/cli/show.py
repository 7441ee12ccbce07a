"""Show the card of a technique or workload, or what a record says.

A card says what it does, its source and settings, what deviates and is unknown. A record, given as its file, says what was
run under which conditions, and each quantity, such as energy and peak memory, or why it is missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from greenbench.cli import OK
from greenbench.cli._faults import show_faults
from greenbench.cli._record import record_text
from greenbench.energy.carbon import carbon_intensity
from greenbench.errors import UserError
from greenbench.study.catalog import discover


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "name", metavar="NAME", help="a name that greenbench list prints, or the file of a record"
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="Python files of your own")


def run(args: argparse.Namespace) -> int:
    """Print the card below what the catalog knows, or the record."""
    if args.name.endswith(".json"):
        print(record_text(Path(args.name), carbon_intensity()))
        return OK
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
