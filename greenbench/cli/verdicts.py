"""Print the verdicts on a folder of records: what is better than the baseline, the same, worse, or undecided.

One row for each technique, workload and quantity. Scores are compared by differences, costs by ratios. The interval holds
the true difference with 95 %, this comparison taken alone; p is adjusted for all comparisons of the study; P(A>B) is the
probability that a run of the technique is better than one of the baseline.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Any

from tabulate import tabulate

from greenbench.records.folder import RecordFolder
from greenbench.report.notes import why_no_verdict
from greenbench.units import MISSING
from greenbench.verdict.quantities import QUANTITIES, find_quantity
from greenbench.verdict.verdict import Verdict, verdicts


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of records, such as reports/local")
    parser.add_argument(
        "--quantity",
        action="append",
        metavar="NAME",
        help=f"these alone; may be repeated: {', '.join(QUANTITIES)}",
    )
    parser.add_argument("--json", action="store_true", help="print rows as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the rows, and for an empty table why."""
    chosen = [find_quantity(name).name for name in args.quantity or ()]
    records, left_out = RecordFolder(args.folder).read_some()
    found = [one for one in verdicts(records) if not chosen or one.quantity in chosen]
    points = {record.case.workload for record in records if record.workload.metric.unit == "%"}
    if args.json:
        print(json.dumps([_row(one) for one in found], indent=1, ensure_ascii=False))
    elif found:
        print(_text(found, points))
    else:
        print(f"no verdicts: {why_no_verdict([record for record in records if record.sound])}")
    for file in left_out:
        print(f"left out: {file.path.name}: {file.reason}", file=sys.stderr)
    return 0


def _row(one: Verdict) -> dict[str, Any]:
    """Return a verdict by the names of the text's columns, and all else that is known of it."""
    half = one.half_width
    interval = None if half is None else [one.difference - half, one.difference + half]
    row = asdict(one)
    del row["half_width"], row["word"]
    scale = "difference" if find_quantity(one.quantity).is_score else "log ratio"
    return {**row, "verdict": one.word, "interval": interval, "difference_is": scale}


def _text(found: Sequence[Verdict], points: set[str]) -> str:
    """Return a table for each workload and quantity: those of one baseline, one below the other."""
    groups: dict[tuple[str, str, str], list[Verdict]] = {}
    for one in found:
        groups.setdefault((one.workload, one.scale, one.quantity), []).append(one)
    lines = []
    for (workload, scale, quantity), ones in groups.items():
        in_points = workload in points
        rows = [
            [one.technique, one.word, one.n, *_shown(one, in_points), _p(one), _beats(one)] for one in ones
        ]
        headings = ("Technique", "Verdict", "n", "Difference", "95 % interval", "p", "P(A>B)")
        align = ("left", "left", "right", "right", "right", "right", "right")
        table = tabulate(rows, headings, disable_numparse=True, colalign=align)
        lines += [f"{workload}, {quantity}{_unit(quantity, in_points)} ({scale})", table, *_needs(ones), ""]
    return "\n".join(lines[:-1])


def _unit(quantity: str, in_points: bool) -> str:
    """Say what differences are in: points, a score's own unit, or percent of the baseline's cost."""
    if not find_quantity(quantity).is_score:
        return ", in percent of the baseline's"
    return ", in points" if in_points else ""


def _shown(one: Verdict, in_points: bool) -> tuple[str, str]:
    """Return difference and interval, in the unit of `_unit`."""
    half = one.half_width
    ends = (one.difference, *(() if half is None else (one.difference - half, one.difference + half)))
    if not find_quantity(one.quantity).is_score:
        mean, *bounds = (f"{100 * math.expm1(value):+.1f}" for value in ends)
    elif in_points:
        mean, *bounds = (f"{100 * value:+.2f}" for value in ends)
    else:
        mean, *bounds = (f"{value:+.3g}" for value in ends)
    return mean, f"{bounds[0]} to {bounds[1]}" if bounds else MISSING


def _p(one: Verdict) -> str:
    """Return the p-value of the claim that is made; of no difference where none is."""
    p = one.p_same if one.word == "same" else one.p
    return MISSING if p is None else "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _beats(one: Verdict) -> str:
    return MISSING if one.superiority is None else f"{one.superiority:.2f}"


def _needs(ones: Sequence[Verdict]) -> list[str]:
    """Say why the undecided are so, once for all that are for one reason."""
    needs: dict[str, list[str]] = {}
    for one in ones:
        if one.reason:
            needs.setdefault(one.reason, []).append(one.technique)
    if len(needs) == 1 and len(ones) == sum(map(len, needs.values())) > 1:
        return [f"All: {reason}." for reason in needs]
    return [fill(f"{', '.join(names)}: {reason}.", 80) for reason, names in needs.items()]
