r"""Put the records of several folders into one, and write its report.

Such folders come from jobs that shared a study with --green-shard, or from several machines. Of one case that was measured
more than once on machines that are alike the first sound record is kept. Nothing is compared across machines: each has its
own tables in the report.

    greenbench merge reports/part-* -o reports/whole
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from greenbench.cli._carbon import add_carbon
from greenbench.energy.carbon import carbon_intensity


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="folder of records")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="folder that the records go to"
    )
    add_carbon(parser)


def run(args: argparse.Namespace) -> int:
    """Write the records and the report, and print its short form."""
    from greenbench.records.merging import merge
    from greenbench.report import write_report

    intensity = carbon_intensity(args.carbon)
    merged = merge(args.folders, args.out)
    report = write_report(args.out, intensity)
    folders = "1 folder" if len(args.folders) == 1 else f"{len(args.folders)} folders"
    print(f"{merged.records} records of {folders} are in {args.out}")
    if merged.repeated:
        print(f"measured more than once on machines that are alike, the first kept: {len(merged.repeated)}")
    print("\n".join(report.summary))
    for file in merged.left_out:
        print(f"left out: {file.path}: {file.reason}", file=sys.stderr)
    return 0
