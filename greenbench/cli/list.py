"""List techniques and workloads.

Listed are those of the package, those of installed packages (entry-point groups greenbench.techniques and
greenbench.workloads) and those of the files given.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tabulate import tabulate

from greenbench.study.catalog import discover


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="Python files of your own")


def run(args: argparse.Namespace) -> int:
    """Print one line for each technique and each workload."""
    catalog = discover(args.files)
    techniques = [
        (t.name, t.category, t.citation, ", ".join(t.tasks or ("all tasks",)))
        for t in catalog.techniques.values()
    ]
    workloads = [
        (w.name, w.title, w.task, w.metric.title, ", ".join(w.settings)) for w in catalog.workloads.values()
    ]
    print(tabulate(techniques, ("Technique", "Category", "Source", "Applies to")))
    print()
    print(tabulate(workloads, ("Workload", "Title", "Task", "Metric", "Scales")))
    return 0
