"""Graphics boards by their data sheets."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Board:
    """A graphics board.

    Attributes
    ----------
    name
        As NVML reports it.
    power_limit_w
        Power that it may draw for long.
    peak_flops
        Floating-point operations per second (a multiply-add is two); infinite where unknown.
    """

    name: str
    power_limit_w: float
    peak_flops: float


@cache
def known_boards() -> dict[str, Board]:
    """Return the boards of the shipped table by name.

    Their peak is the highest dense rate that the data sheet gives for 16-bit operands. No mode of the suite is faster.
    """
    text = resources.files(__package__).joinpath("boards.csv").read_text(encoding="utf-8")
    return {
        row["name"]: Board(row["name"], float(row["power_limit_w"]), 1e12 * float(row["peak_tflops"]))
        for row in csv.DictReader(text.splitlines())
    }
