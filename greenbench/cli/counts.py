"""Count parameters and multiply-adds of all networks of Tables 3 and 4, beside the printed numbers.

Each count rounds to the printed digits, truncates to them, or differs. The inputs are those that the printed numbers
fit; "--inputs stated" takes those of the captions instead.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from tabulate import tabulate

from greenbench.paper.recount import Row, recount
from greenbench.spec.scale import INPUTS


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``greenbench counts``."""
    parser.add_argument(
        "--counter", default="torch", metavar="NAME", help="torch (default, on the meta device) or fvcore"
    )
    parser.add_argument(
        "--inputs",
        default="fitted",
        metavar="NAME",
        help=f"sizes of the images: {' or '.join(INPUTS)} (default: fitted)",
    )
    parser.add_argument("--json", action="store_true", help="print rows as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the counts."""
    rows = list(recount(args.inputs, args.counter))
    print(json.dumps([asdict(row) for row in rows], indent=1) if args.json else _table(rows))
    return 0


def _table(rows: list[Row]) -> str:
    lines = [
        [
            row.dataset,
            row.technique,
            row.input if row.flops_input == row.input else f"{row.input}, MACs {row.flops_input}",
            f"{row.params:,}",
            f"{row.printed_params} {row.params_verdict}",
            f"{row.conv_macs / 1e9:.4f}",
            f"{row.printed_flops} {row.flops_verdict}",
            f"{row.full_macs / 1e9:.4f}",
        ]
        for row in rows
    ]
    headers = [
        "Data set",
        "Technique",
        "Input",
        "Params",
        "printed (M)",
        "Conv GMACs",
        "printed (G)",
        "All GMACs",
    ]
    alignment = ("left", "left", "left", "right", "left", "right", "left", "right")
    verdicts = [verdict for row in rows for verdict in (row.params_verdict, row.flops_verdict)]
    agreeing = sum(verdict != "differs" for verdict in verdicts)
    table = tabulate(lines, headers=headers, colalign=alignment, disable_numparse=True)
    return (
        f"{table}\n\n{agreeing} of {len(verdicts)} printed numbers are reproduced to their last digit "
        f"({verdicts.count('truncates')} by truncation). Table 4 prints parameters in units of 10 M."
    )
