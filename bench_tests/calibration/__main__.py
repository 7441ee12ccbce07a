"""Print how often verdicts are wrong: on simulated studies, and on a baseline that is compared with itself.

python -m bench_tests.calibration [--studies N] [--baseline DIR]
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from tabulate import tabulate

from bench_tests.calibration.against_itself import against_itself
from bench_tests.calibration.simulation import SCENARIOS, outcome
from greenbench.records.folder import RecordFolder


def main() -> None:
    """Print one row for each scenario."""
    parser = argparse.ArgumentParser(prog="python -m bench_tests.calibration", description=__doc__)
    parser.add_argument(
        "--studies", type=int, default=400, metavar="N", help="simulated (default: %(default)s)"
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="DIR",
        help="a folder with many seeds of a baseline: they are dealt at random to a baseline and pretended techniques",
    )
    args = parser.parse_args()
    rows = []
    for scenario in SCENARIOS:
        found = outcome(scenario, args.studies)
        rows.append([scenario.name, *map(_percent, (found.false_claims, found.false_same, found.coverage))])
        rows[-1] += [_percent(found.power), _percent(found.same)]
        print(f"{len(rows)} of {len(SCENARIOS)}: {scenario.name}", flush=True)
    if args.baseline:
        records, _ = RecordFolder(args.baseline).read()
        found = against_itself(records, args.studies)
        rows.append(
            [
                "the baseline against itself",
                _percent(found.false_claims),
                "",
                _percent(found.coverage),
                "",
                _percent(found.same),
            ]
        )
    headings = ("Studies", "False better/worse", "False same", "Coverage", "Power", "Shown the same")
    print(tabulate(rows, headings, disable_numparse=True, colalign=("left", *["right"] * 5)))
    error = 100 * math.sqrt(0.05 * 0.95 / args.studies)
    print(
        f"\n{args.studies} studies each: a share of 5 % is known to {error:.1f} points (one standard error)."
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
