r"""Read results that others measured from a table, so that report and verdicts can be made of them.

The table has a row for each run, or for each epoch of a run: CSV with commas, semicolons or tabs (also .csv.gz), or JSON
lines. An option names the column that says the thing; without it, the column of that name does. Records of a table are
compared with nothing else. What cannot be read without a guess is refused, with its line.

    greenbench import results.csv -o theirs --workload dataset --technique optimizer \
        --score final_accuracy --score-unit fraction --better higher --baseline SGD
    greenbench report theirs
"""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

from greenbench.records.elsewhere import Elsewhere
from greenbench.records.folder import RecordFolder
from greenbench.records.imported import read_results
from greenbench.records.reader import JOULES, ROLES, Reader
from greenbench.records.record import Record

MEANINGS = {
    "workload": "names the task; several columns are divided by commas (without one: the whole table is one workload)",
    "technique": "names what is compared; several columns are divided by commas",
    "seed": "numbers the runs; those of one number are compared with each other",
    "epoch": "numbers the rows of a run: the last one gives the score",
    "score": "says how good the run is",
    "energy": "says its energy",
    "seconds": "says its time",
    "steps": "says how many steps, epochs or the like it took",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("table", type=Path, metavar="TABLE", help="file of the table")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="folder that the records go to"
    )
    parser.add_argument(
        "--baseline", required=True, metavar="NAME", help="technique that all others are compared with"
    )
    for role in ROLES:
        parser.add_argument(f"--{role}", metavar="COLUMN", help=f"column that {MEANINGS[role]}")
    parser.add_argument(
        "--score-unit",
        metavar="UNIT",
        help="of the scores: fraction (0 to 1), percent (0 to 100), or a name such as dB",
    )
    parser.add_argument("--better", choices=("higher", "lower"), help="which scores are better")
    parser.add_argument("--energy-unit", choices=tuple(JOULES), help="of the energies")
    parser.add_argument(
        "--cumulative",
        action="store_true",
        help="energy and time in a row are those since the start of the run (default: since the row before)",
    )
    parser.add_argument(
        "--decimal", choices=(".", ","), default=".", help="sign before decimals (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the records, and print what was read and what is missing."""
    from greenbench.report.elsewhere import remarks, source_lines
    from greenbench.report.escape import one_line

    reader = Reader(
        baseline=args.baseline,
        columns={role: chosen for role in ROLES if (chosen := getattr(args, role)) is not None},
        score_unit=args.score_unit,
        better=args.better,
        energy_unit=args.energy_unit,
        cumulative=args.cumulative,
        decimal=args.decimal,
    )
    records = read_results(args.table, reader, uuid.uuid4().hex)
    RecordFolder(args.out).write_all(records)
    origin = records[0].machine
    if isinstance(origin, Elsewhere):
        print("\n".join(map(one_line, [*source_lines(origin, records), *remarks(origin, records)])))
        earlier = _of_other_imports(args.out, records)
        if earlier:
            print(
                f"{args.out} holds {earlier} records of tables that were imported before: each table, and each way to read "
                "it, has a section of its own in the report"
            )
    print(f"{len(records)} records in {args.out}; next: greenbench report {args.out}")
    return 0


def _of_other_imports(folder: Path, records: list[Record]) -> int:
    ours = {record.file_name for record in records}
    return sum(path.name not in ours for path in folder.glob(f"{records[0].case.kind}-*.json"))
