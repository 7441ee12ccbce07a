"""Run a published row again, and say whether it agrees, with the probability.

RECORD is the file of one record; the other seeds of its row lie beside it. The same case is run with the code and on the
machine that are here. Exit code 1 if a quantity disagrees.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import uuid
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path

from greenbench.cli import FAILED, OK
from greenbench.errors import UserError
from greenbench.extras import need_study

RUNS = 3
MOST_RUNS = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("record", type=Path, metavar="RECORD", help="file of a record")
    parser.add_argument(
        "green_file", nargs="*", metavar="FILE", help="Python files that define what the record ran"
    )
    parser.add_argument(
        "--runs", type=int, default=RUNS, metavar="N", help="runs to make (default: %(default)s)"
    )
    parser.add_argument("--data", dest="green_data", metavar="DIR", help="as --green-data")
    parser.add_argument("--meter", dest="green_meter", metavar="NAME", help="as --green-meter")
    parser.add_argument(
        "--out", dest="green_out", metavar="DIR", help="keep the new records there (default: nowhere)"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def run(args: argparse.Namespace) -> int:
    """Run it and print the comparison."""
    from greenbench.report.changes import replay_lines
    from greenbench.study.replay import cases_again, published, sound
    from greenbench.study.session import Session
    from greenbench.study.settings import Options, settings_of
    from greenbench.verdict.agreement import agreement

    if not 1 <= args.runs <= MOST_RUNS:
        raise UserError(f"--runs is {args.runs}", f"give the number of runs, 1 to {MOST_RUNS}")
    found = published(args.record)
    if args.green_out is not None and Path(args.green_out).resolve() == args.record.parent.resolve():
        raise UserError(f"--out {args.green_out} is the record's own folder", "give another one")
    case = found.record.case
    stated = {
        f"green_{name}": case.setting.get(name) for name in ("training_energy", "inputs", "weights", "vary")
    }
    need_study()
    with tempfile.TemporaryDirectory() if args.green_out is None else nullcontext(args.green_out) as out:
        given = vars(args) | stated | {"green_out": out, "green_scale": case.scale, "green_mode": case.mode}
        session = Session(
            settings_of(
                Options(**given, green_partial=True, green_resume=False), Path.cwd(), uuid.uuid4().hex
            )
        )
        cases = cases_again(found, session.settings.catalog, session.settings.scale, args.runs)
        with closing(session):
            session.check([cases])
            again = sound(session.records(cases))
    rows = agreement(found.row, again)
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(replay_lines(rows)))
    agrees = any(row.word == "agrees" for row in rows)
    return OK if agrees and not any(row.word == "disagrees" for row in rows) else FAILED
