"""List techniques, workloads and numerical modes.

Listed are those of the package, by collection, those of installed packages (entry-point groups greenbench.techniques and
greenbench.workloads) and those of the files given. A file that cannot be read is named on standard error, and the exit
code is then 2.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tabulate import tabulate

from greenbench.cli._faults import show_faults
from greenbench.spec.mode import MODES
from greenbench.study.catalog import Catalog, discover


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="Python files of your own")


def run(args: argparse.Namespace) -> int:
    """Print one line for each technique, each workload and each mode."""
    catalog = discover(args.files)
    for collection in dict.fromkeys(t.collection for t in catalog.techniques.values()):
        print(_heading(catalog, collection))
        rows = [
            (t.name, t.category, t.citation, ", ".join(t.tasks or ("all tasks",)))
            for t in catalog.techniques.values()
            if t.collection == collection
        ]
        print(tabulate(rows, ("Technique", "Category", "Source", "Applies to")))
        print()
    workloads = [
        (w.name, w.title, w.task, w.metric.title, ", ".join(w.settings)) for w in catalog.workloads.values()
    ]
    print(tabulate(workloads, ("Workload", "Title", "Task", "Metric", "Scales")))
    print()
    print(tabulate([(mode.name, mode.summary) for mode in MODES.values()], ("Mode", "Networks compute in")))
    return show_faults(catalog)


def _heading(catalog: Catalog, collection: str) -> str:
    if not collection:
        return "Your own: these run, beside the baseline, when their files are given"
    if set(catalog.collection(collection)) & catalog.extra:
        return f"Collection {collection}: runs by name, or with --green-collection {collection}"
    return f"Collection {collection}: runs where nothing else is asked for"
