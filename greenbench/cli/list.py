"""List techniques, workloads and numerical modes.

Listed are those of the package, by collection, those of installed packages (entry-point groups greenbench.techniques and
greenbench.workloads) and those of the files given. A file that cannot be read is named on standard error, and the exit
code is then 2.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from tabulate import tabulate

from greenbench.cli._faults import show_faults
from greenbench.errors import UserError
from greenbench.spec.mode import MODES
from greenbench.study.catalog import Catalog, discover


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="Python files of your own")
    parser.add_argument("--only", choices=("techniques", "workloads", "modes"), help="list these alone")
    parser.add_argument("--collection", metavar="NAME", help="techniques of this collection, such as modern")
    parser.add_argument("--category", metavar="NAME", help="techniques of this category, such as Optimizer")
    parser.add_argument("--task", metavar="NAME", help="what applies to this task, such as segmentation")


def run(args: argparse.Namespace) -> int:
    """Print one line for each technique, each workload and each mode that is asked for."""
    catalog = discover(args.files)
    tables = {
        "techniques": lambda: _techniques(catalog, args),
        "workloads": lambda: _workloads(catalog, args),
        "modes": _modes,
    }
    about_techniques = args.collection is not None or args.category is not None
    chosen = [args.only] if args.only else ["techniques"] if about_techniques else [*tables]
    if args.task is not None and not args.only:
        chosen = [name for name in chosen if name != "modes"]
    print("\n\n".join(table for name in chosen for table in tables[name]()))
    return show_faults(catalog)


def _techniques(catalog: Catalog, args: argparse.Namespace) -> Iterator[str]:
    """Yield a table for each collection.

    Raises
    ------
    UserError
        For a collection, category or task that no technique has.
    """
    known = catalog.techniques.values()
    _require(args.collection, {one.collection for one in known}, "collection")
    _require(args.category, {one.category for one in known}, "category")
    _require(args.task, _tasks(catalog), "task")
    shown = [
        one
        for one in known
        if args.collection in (None, one.collection)
        and (args.category is None or args.category.casefold() == one.category.casefold())
        and (args.task is None or not one.tasks or args.task in one.tasks)
    ]
    for collection in dict.fromkeys(one.collection for one in shown):
        rows = [
            (one.name, one.category, one.citation, ", ".join(one.tasks or ("all tasks",)))
            for one in shown
            if one.collection == collection
        ]
        table = tabulate(rows, ("Technique", "Category", "Source", "Applies to"))
        yield f"{_heading(catalog, collection)}\n{table}"
    if not shown:
        yield "no technique has all of this"


def _workloads(catalog: Catalog, args: argparse.Namespace) -> Iterator[str]:
    _require(args.task, _tasks(catalog), "task")
    rows = [
        (one.name, one.title, one.task, one.metric.title, ", ".join(one.settings))
        for one in catalog.workloads.values()
        if args.task in (None, one.task)
    ]
    yield tabulate(rows, ("Workload", "Title", "Task", "Metric", "Scales"))


def _modes() -> Iterator[str]:
    yield tabulate([(mode.name, mode.summary) for mode in MODES.values()], ("Mode", "Networks compute in"))


def _tasks(catalog: Catalog) -> set[str]:
    return {one.task for one in catalog.workloads.values()}


def _require(given: str | None, known: set[str], what: str) -> None:
    if given is not None and given.casefold() not in {name.casefold() for name in known}:
        raise UserError(
            f"no {what} is called {given!r}",
            f"choose one of {', '.join(sorted(name for name in known if name))}",
        )


def _heading(catalog: Catalog, collection: str) -> str:
    if not collection:
        return "Your own: these run, beside the baseline, when their files are given"
    if set(catalog.collection(collection)) & catalog.extra:
        return f"Collection {collection}: runs by name, or with --green-collection {collection}"
    return f"Collection {collection}: runs where nothing else is asked for"
