"""The option of commands that write a report."""

from __future__ import annotations

import argparse

from greenbench.energy.carbon import DEFAULT_REGION


def add_carbon(parser: argparse.ArgumentParser) -> None:
    """Add ``--carbon``."""
    parser.add_argument(
        "--carbon",
        metavar="REGION",
        default=DEFAULT_REGION,
        help="region, or amount such as '300 g/kWh', that CO2 is computed with (default: %(default)s)",
    )
