"""The four published tables, cell by cell: what is printed, in which unit, and how it is to be read."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

SI_FACTOR = {"%": 0.01, "MJ": 1e6, "M": 1e6, "G": 1e9, "ms": 1e-3, "J": 1.0, "kg/wk": 1.0}
"""What turns a printed number into a fraction, joules, a count, seconds or kilograms a week."""


class Interpretation(StrEnum):
    """How a printed cell is to be read.

    ``corrected``: what is printed is not what its column says, and what is meant is known: another value, or the same
    value of another setting. ``suspect``: it cannot be right, or not together with other cells, and what is meant is
    not known.
    """

    AS_PRINTED = "as_printed"
    CORRECTED = "corrected"
    SUSPECT = "suspect"


@dataclass(frozen=True)
class Cell:
    """One cell of the published tables.

    Attributes
    ----------
    table
        1 to 4.
    dataset, technique, metric
        Which cell of it, e.g. ``cityscapes``, ``ge_theta``, ``params``.
    printed
        The digits on paper: ``"2.40"`` is not ``"2.4"``.
    unit
        Unit of `printed` and of `value`, one of `SI_FACTOR`.
    reading
        How to read it.
    value
        The value as read; differs from `printed` in some cells with the reading ``corrected``.
    why
        Reason for the reading; empty for ``as_printed``.
    """

    table: int
    dataset: str
    technique: str
    metric: str
    printed: str
    unit: str
    reading: Interpretation
    value: float
    why: str

    @property
    def name(self) -> str:
        """Where the cell stands, as findings quote it."""
        return f"Table {self.table} {self.dataset}/{self.technique}/{self.metric}"

    @property
    def decimals(self) -> int:
        """Digits behind the point, as printed."""
        return len(self.printed.partition(".")[2])


@cache
def published_cells() -> tuple[Cell, ...]:
    """Return all 342 cells in the order of the tables."""
    text = resources.files(__package__).joinpath("tables.csv").read_text(encoding="utf-8")
    return tuple(
        Cell(
            table=int(row["table"]),
            dataset=row["dataset"],
            technique=row["technique"],
            metric=row["metric"],
            printed=row["value_as_printed"],
            unit=row["unit"],
            reading=Interpretation(row["reading"]),
            value=float(row["value"]),
            why=row["why"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def find_cell(cells: Iterable[Cell], dataset: str, technique: str, metric: str) -> Cell | None:
    """Return the cell of that name, or None: a technique may be absent from a table."""
    wanted = (dataset, technique, metric)
    return next((cell for cell in cells if (cell.dataset, cell.technique, cell.metric) == wanted), None)


def verdict_against(printed: str, value: float) -> str:
    """Say how a count, in the printed unit, agrees with the printed digits.

    Returns
    -------
    str
        ``rounds``, ``truncates`` or ``differs``.
    """
    decimals = len(printed.partition(".")[2])
    scale = 10**decimals
    target = round(float(printed) * scale)
    # Half up, as people round; Python's own round() goes to even.
    if int(value * scale + 0.5) == target:
        return "rounds"
    return "truncates" if int(value * scale) == target else "differs"
