"""Compare two folders of records as two versions of the code: what got worse, by how much, and how surely.

A is before, B is now. All but the code must agree: machine, scale, mode, meter, data. Folders in A and B count as sessions.
With --fail, the exit code is 1 if a quantity got worse by more than its limit. Where A is ``paper``, the published study's
effects are held against B's, cell by cell.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from greenbench.cli import FAILED, OK
from greenbench.errors import UserError
from greenbench.records.baselines import read_runs
from greenbench.records.record import Record
from greenbench.spec.scale import STUDY
from greenbench.verdict.limits import USUAL, read_limits


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "before", type=Path, metavar="A", help="folder of records, or of folders of them, or 'paper'"
    )
    parser.add_argument("after", type=Path, metavar="B", help="the same, of the newer code")
    parser.add_argument(
        "--fail",
        metavar="LIMITS",
        help=f"exit with 1 beyond these, such as 'energy:5%% latency:15%% score:1pp' (shown by default: {_escaped(USUAL)})",
    )
    parser.add_argument(
        "--strict", action="store_true", help="what is undecided, not comparable or not measured fails, too"
    )
    parser.add_argument("--json", action="store_true", help="print all rows as JSON")


def run(args: argparse.Namespace) -> int:
    """Print what moved."""
    from greenbench.report.changes import changes

    if args.strict and args.fail is None:
        raise UserError("--strict has nothing to fail on", "give limits with --fail")
    if str(args.before) == STUDY:
        return _against_paper(args)
    before, after = _records(args.before), _records(args.after)
    metrics = {record.workload.metric.name: record.workload.metric for record in (*before, *after)}
    found = changes(before, after, read_limits(args.fail, metrics), strict=args.strict)
    if args.json:
        print(json.dumps(found.as_data(), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(found.lines(str(args.before))))
        if args.fail is not None and found.failure:
            print(f"failed: {found.failure}")
    return FAILED if args.fail is not None and found.failure else OK


def _against_paper(args: argparse.Namespace) -> int:
    from greenbench.paper.effects import effects
    from greenbench.report.effects import effect_lines

    if args.fail is not None:
        raise UserError("--fail cannot judge by the published study", "give a folder of records as A")
    found = effects(_records(args.after))
    if args.json:
        print(json.dumps([asdict(effect) for effect in found], indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(effect_lines(found)))
    return OK


def _records(folder: Path) -> list[Record]:
    records, unreadable = read_runs(folder)
    for file in unreadable:
        print(f"greenbench: left out {file.path}: {file.reason}", file=sys.stderr)
    return records


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
