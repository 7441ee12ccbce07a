"""Print the verdicts on a folder of records: what is better than the baseline, the same, worse, or undecided.

One row for each technique, workload and quantity, by machine, scale and mode. Scores are compared by differences, costs
by ratios. The interval holds the true difference with 95 %, this comparison taken alone; p is adjusted for all
comparisons of the study; P(A>B) is the probability that a run of the technique is better than one of the baseline. Then,
where trainings were evaluated on the way, what it cost to reach a score: the baseline's last, and those that the workload
states.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from textwrap import fill
from typing import Any

from tabulate import tabulate

from greenbench.records.folder import RecordFolder
from greenbench.records.record import Record
from greenbench.report.escape import shortened
from greenbench.report.notes import why_no_verdict
from greenbench.report.sections import ComparableSet, Section, split_into_sections
from greenbench.spec.technique import BASELINE
from greenbench.units import MISSING
from greenbench.verdict.quantities import QUANTITIES, find_quantity
from greenbench.verdict.to_target import ToTarget
from greenbench.verdict.verdict import Verdict

WIDTH = 80
NAME_WIDTH = 12
"""Characters of a technique's name that stay in any case."""
GAP = "  "
"""Between columns."""


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
    chosen = [find_quantity(name).name for name in args.quantity or QUANTITIES]
    records, left_out = RecordFolder(args.folder).read_some()
    sections = [_only(section, chosen) for section in split_into_sections(records)]
    if args.json:
        rows = [row for section in sections for row in _rows(section)]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        print("\n\n".join(text for section in sections for text in _tables(section)) or _why_none(records))
    for file in left_out:
        print(f"left out: {file.path.name}: {file.reason}", file=sys.stderr)
    return 0


def _only(section: Section, chosen: Collection[str]) -> Section:
    """Return the section with the verdicts on the chosen quantities alone."""
    sets = [
        replace(
            found,
            verdicts=tuple(one for one in found.verdicts if one.quantity in chosen),
            targets=tuple(
                one for one in found.targets if one.quantity in chosen and one.technique != BASELINE
            ),
        )
        for found in section.sets
    ]
    return replace(section, sets=tuple(sets))


def _why_none(records: Sequence[Record]) -> str:
    return f"no verdicts: {why_no_verdict([record for record in records if record.sound])}"


def _rows(section: Section) -> Iterator[dict[str, Any]]:
    for found in section.sets:
        where = {"mode": section.mode, "machine": section.heading, "conditions": found.caption}
        for one in found.verdicts:
            yield where | _row(one)
        for reached in found.targets:
            yield where | _row_to_target(reached)


def _row(one: Verdict) -> dict[str, Any]:
    """Return a verdict by the names of the text's columns, and all else that is known of it."""
    half = one.half_width
    interval = None if half is None else [one.difference - half, one.difference + half]
    row = asdict(one)
    del row["half_width"], row["word"]
    scale = "difference" if find_quantity(one.quantity).is_score else "log ratio"
    return {**row, "target": None, "verdict": one.word, "interval": interval, "difference_is": scale}


def _row_to_target(one: ToTarget) -> dict[str, Any]:
    """Return a verdict on the cost to reach `target`, by the names of `_row` where it has the same."""
    row = asdict(one)
    del row["word"], row["ratio"], row["low"], row["high"]
    interval = None if one.low is None or one.high is None else [math.log(one.low), math.log(one.high)]
    difference = math.log(one.ratio) if one.ratio else None
    found = {"difference": difference, "interval": interval, "difference_is": "log ratio"}
    return {**row, "verdict": one.word, **found}


def _tables(section: Section) -> Iterator[str]:
    """Yield what is compared, and a table for each workload and quantity, and for each score to reach."""
    tables = []
    for found in section.sets:
        in_points = found.records[0].workload.metric.unit == "%" if found.records else False
        for quantity in dict.fromkeys(one.quantity for one in found.verdicts):
            ones = [one for one in found.verdicts if one.quantity == quantity]
            tables.append(_table(found, quantity, ones, in_points))
        for target, stated in dict.fromkeys((one.target, one.stated) for one in found.targets):
            there = [one for one in found.targets if (one.target, one.stated) == (target, stated)]
            tables.append(_table_to_target(found, there, in_points))
    if tables:
        yield fill(section.heading, WIDTH)
        yield from tables


def _table(found: ComparableSet, quantity: str, ones: Sequence[Verdict], in_points: bool) -> str:
    rows = [[one.technique, one.word, one.n, *_shown(one, in_points), _p(one), _beats(one)] for one in ones]
    headings = ("Technique", "Verdict", "n", "Difference", "95 % interval", "p", "P(A>B)")
    return _titled(found, f"{quantity}{_unit(quantity, in_points)}", headings, rows, _needs(ones))


def _table_to_target(found: ComparableSet, ones: Sequence[ToTarget], in_points: bool) -> str:
    first = ones[0]
    rows = [
        [one.technique, one.word, f"{one.reached} of {one.n}", *_ratio(one), _p_value(one.p)] for one in ones
    ]
    headings = ("Technique", "Verdict", "Reached", "Difference", "95 % interval", "p")
    score = f"{100 * first.target:.1f} %" if in_points else f"{first.target:.4g}"
    whose = "" if first.stated else "the baseline's "
    title = f"{first.quantity} to reach {whose}{score}{_unit(first.quantity, in_points)}"
    return _titled(found, title, headings, rows, _needs(ones))


def _titled(
    found: ComparableSet,
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    needs: Sequence[str],
) -> str:
    """Return a table between its title and its remarks."""
    case = found.records[0].case
    return "\n".join(
        [fill(f"{case.workload}, {title}{found.difference}", WIDTH), *_aligned([headings, *rows]), *needs]
    )


def _aligned(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return lines with the headings underlined; names are cut where the table would be too wide."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    room = WIDTH - sum(widths[1:]) - len(GAP) * (len(widths) - 1)
    widths[0] = min(widths[0], max(room, NAME_WIDTH))
    texts = [[shortened(row[0], widths[0]), *row[1:]] for row in texts]
    texts.insert(1, ["-" * width for width in widths])
    align = ("left", "left", *["right"] * (len(widths) - 2))
    # As plain text: tabulate makes columns wider than their headings.
    return tabulate(texts, tablefmt="plain", colalign=align, disable_numparse=True).splitlines()


def _unit(quantity: str, in_points: bool) -> str:
    """Say what differences are in: points, a score's own unit, or percent of the baseline's cost."""
    if not find_quantity(quantity).is_score:
        return ", in percent of the baseline's"
    return ", in points" if in_points else ""


def _ratio(one: ToTarget) -> tuple[str, str]:
    """Return the difference of the costs to a target, in percent of the baseline's, and its interval."""
    if one.ratio is None or not one.reached:
        return MISSING, MISSING
    mean = f"{'≈ ' if one.restricted else ''}{100 * (one.ratio - 1):+.1f}"
    if one.low is None or one.high is None:
        return mean, MISSING
    return mean, f"{100 * (one.low - 1):+.1f} to {100 * (one.high - 1):+.1f}"


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
    return _p_value(one.p_same if one.word == "same" else one.p)


def _p_value(p: float | None) -> str:
    return MISSING if p is None else "<0.0001" if p < 1e-4 else f"{p:.4f}"


def _beats(one: Verdict) -> str:
    return MISSING if one.superiority is None else f"{one.superiority:.2f}"


def _needs(ones: Sequence[Verdict | ToTarget]) -> list[str]:
    """Say why the undecided are so, once for all that are for one reason."""
    needs: dict[str, list[str]] = {}
    for one in ones:
        if one.reason:
            needs.setdefault(one.reason, []).append(one.technique)
    if len(needs) == 1 and len(ones) == sum(map(len, needs.values())) > 1:
        return [f"All: {reason}." for reason in needs]
    return [fill(f"{', '.join(names)}: {reason}.", WIDTH) for reason, names in needs.items()]
