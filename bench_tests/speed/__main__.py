"""Compare the speed of this package's implementations with that of their peers.

Every module of this folder takes part: one with ``CONTESTS`` brings contests by name, one with ``NAME`` and
``run(out)`` brings rows that it has measured itself, and writes a report to ``out`` unless that is None. Peers come
from the extra ``bench``; where one is not installed, its comparison is left out and the reason printed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import tabulate

import bench_tests.speed
from bench_tests.speed import meters
from bench_tests.speed.contest import compare
from greenbench.data.allocation import keep_freed_memory

Rows = list[dict[str, object]]
COLUMNS = 100


def measurements(out: Path | None = None) -> Iterator[tuple[str, Callable[[], Rows]]]:
    """Yield the name of each comparison and what measures it; `out` is where a report goes."""
    for module in pkgutil.iter_modules(bench_tests.speed.__path__):
        if module.name == "__main__":
            continue
        try:
            loaded = importlib.import_module(f"bench_tests.speed.{module.name}")
        except ModuleNotFoundError as error:
            print(
                f"{module.name}: left out, {error}; install the extras 'study' and 'bench'", file=sys.stderr
            )
            continue
        for name, prepare in getattr(loaded, "CONTESTS", {}).items():
            yield name, lambda name=name, prepare=prepare: [compare(name, prepare())]
        if hasattr(loaded, "NAME"):
            yield loaded.NAME, lambda run=loaded.run: run(out)


def main(argv: list[str] | None = None) -> int:
    """Run the comparisons asked for; print a table, and write the rows if a file is given."""
    parser = argparse.ArgumentParser(prog="python -m bench_tests.speed", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="run this one (may be repeated)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as well")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the report of meters to FILE")
    args = parser.parse_args(argv)

    if args.out and args.only != [meters.NAME]:
        parser.error(f"--out writes the report of {meters.NAME}: add --only {meters.NAME}")
    known = dict(measurements(args.out))
    unknown = [name for name in args.only or () if name not in known]
    if unknown:
        parser.error(f"there is no comparison {', '.join(unknown)}; there are {', '.join(known)}")

    keep_freed_memory()  # for all contenders, as it is in a case
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
    print("\n\n".join(tables(rows)))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 1 if failed or not rows else 0


def tables(rows: Rows) -> Iterator[str]:
    """Yield one table for each kind of rows, at most `COLUMNS` wide; long cells are wrapped."""
    for names, alike in groupby(map(_cells, rows), key=tuple):
        lines = [[_text(cell) for cell in row.values()] for row in alike]
        widths = [max(len(line[column]) for line in [names, *lines]) for column in range(len(names))]
        while sum(widths) + 2 * (len(widths) - 1) > COLUMNS:
            widths[widths.index(max(widths))] -= 1
        # It would widen every column whose name is its longest cell; tables of others keep it.
        with patch.object(tabulate, "MIN_PADDING", 0):
            table = tabulate.tabulate(lines, headers=names, maxcolwidths=widths, disable_numparse=True)
        yield table


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:.0f}"
    return str(cell)


def _cells(row: dict[str, object]) -> dict[str, object]:
    """Return a row as it is printed: each ratio with its spread."""
    cells = {key: value for key, value in row.items() if not key.endswith("_spread")}
    for key in ("speedup", "over_floor"):
        if f"{key}_spread" in row:
            low, high = row[f"{key}_spread"]
            cells[key] = f"{row[key]:.2f} [{low:.2f}, {high:.2f}]"
    aims = [f"{cells.pop('per_s'):.3g} a second"] if "per_s" in cells else []
    if "target" in cells:
        aims.append(f"{cells.pop('target')}: {'reached' if cells.pop('reached') else 'missed'}")
    if aims:
        cells["target"] = "; ".join(aims)
    cells.pop("repeats", None)
    return cells


if __name__ == "__main__":
    sys.exit(main())
