"""Compare the speed of this package's implementations with that of their peers.

Every module of this folder takes part: one with ``CONTESTS`` brings contests by name, one with ``NAME`` and
``run()`` brings rows that it has measured itself. Peers come from the extra ``bench``; where one is not
installed, its comparison is left out and the reason printed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tabulate import tabulate

import bench_tests.speed
from bench_tests.speed.contest import compare

Rows = list[dict[str, object]]


def measurements() -> Iterator[tuple[str, Callable[[], Rows]]]:
    """Yield the name of each comparison and what measures it."""
    for module in pkgutil.iter_modules(bench_tests.speed.__path__):
        if module.name == "__main__":
            continue
        loaded = importlib.import_module(f"bench_tests.speed.{module.name}")
        for name, prepare in getattr(loaded, "CONTESTS", {}).items():
            yield name, lambda name=name, prepare=prepare: [compare(name, prepare())]
        if hasattr(loaded, "NAME"):
            yield loaded.NAME, loaded.run


def main(argv: list[str] | None = None) -> int:
    """Run the comparisons asked for; print a table, and write the rows if a file is given."""
    parser = argparse.ArgumentParser(prog="python -m bench_tests.speed", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="run this one (may be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as well")
    args = parser.parse_args(argv)

    known = dict(measurements())
    unknown = [name for name in args.only or () if name not in known]
    if unknown:
        parser.error(f"there is no comparison {', '.join(unknown)}; there are {', '.join(known)}")

    rows: Rows = []
    failed = False
    for name in args.only or known:
        print(f"measuring {name}", file=sys.stderr)
        try:
            rows += known[name]()
        except ModuleNotFoundError as error:
            print(f"{name}: left out, {error}; install the extra 'bench'", file=sys.stderr)
        except AssertionError as error:
            failed = True
            print(error, file=sys.stderr)
    print(tabulate([_cells(row) for row in rows], headers="keys", floatfmt=".3g"))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 1 if failed or not rows else 0


def _cells(row: dict[str, object]) -> dict[str, object]:
    """Return a row as it is printed: each ratio with its spread."""
    cells = {key: value for key, value in row.items() if not key.endswith("_spread")}
    for key in ("speedup", "over_floor"):
        if f"{key}_spread" in row:
            low, high = row[f"{key}_spread"]
            cells[key] = f"{row[key]:.2f} [{low:.2f}, {high:.2f}]"
    cells.pop("repeats", None)
    return cells


if __name__ == "__main__":
    sys.exit(main())
