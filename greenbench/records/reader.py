"""How a table of results is read: which column says what, and in which units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from greenbench.errors import UserError
from greenbench.records.tidy import Tidy, listed

VALUES = ("score", "energy", "seconds", "steps")
ROLES = ("workload", "technique", "seed", "epoch", *VALUES)
"""What a column can say; without a choice, the column of that name says it."""

FIELDS = {"score": "score", "energy": "energy_j", "seconds": "seconds", "steps": "steps"}
"""The fields of `Imported` and `Point` that hold the values."""

JOULES = {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "mWh": 3.6, "Wh": 3.6e3, "kWh": 3.6e6}
"""Joules of each unit of energy."""

FRACTION, PERCENT = "fraction", "percent"
"""Units of scores that are shown as percentages; any other unit is a text."""


@dataclass(frozen=True)
class Reader:
    """How a table is read.

    Attributes
    ----------
    columns
        For a role of `ROLES`, the column that says it, or several divided by commas whose texts make one name.
    baseline
        The technique that all others are compared with.
    score_unit
        `FRACTION`, `PERCENT`, or any other unit.
    better, energy_unit, cumulative
        As in `Elsewhere`.
    decimal
        The sign before the decimals of numbers.
    """

    baseline: str
    columns: Mapping[str, str] = field(default_factory=dict)
    score_unit: str | None = None
    better: Literal["higher", "lower"] | None = None
    energy_unit: str | None = None
    cumulative: bool = False
    decimal: Literal[".", ","] = "."


def places_of(table: Tidy, reader: Reader) -> dict[str, tuple[int, ...]]:
    """Return where the columns of each role stand; none for a role that the table does not have."""
    places: dict[str, tuple[int, ...]] = {}
    for role in ROLES:
        chosen = reader.columns.get(role)
        if chosen is None:
            places[role] = (table.index(role, role),) if role in table.columns else ()
            continue
        several = role in ("workload", "technique") and chosen not in table.columns
        names = [name.strip() for name in chosen.split(",")] if several else [chosen]
        places[role] = tuple(table.index(name, role) for name in names)
    _check(table, reader, places)
    return places


def _check(table: Tidy, reader: Reader, places: Mapping[str, Sequence[int]]) -> None:
    """Refuse a table that lacks a column, and a reader that says too little or too much of it."""
    for role in ("technique", "seed"):
        if not places[role]:
            table.index(role, role)
    if not any(places[role] for role in VALUES):
        raise UserError(
            f"{table.name} has no column of results: {listed(VALUES)} are what is read",
            f"name one of {listed(table.columns)} with {' or '.join(f'--{role}' for role in VALUES)}",
        )
    for needing, options in (
        ("score", {"score-unit": reader.score_unit, "better": reader.better}),
        ("energy", {"energy-unit": reader.energy_unit}),
    ):
        for option, given in options.items():
            if bool(places[needing]) != (given is not None):
                has = "is a" if places[needing] else "is no"
                raise UserError(
                    f"there {has} column for the {needing}, and --{option} is {given or 'not given'}",
                    f"give --{option}" if places[needing] else f"name the column with --{needing}",
                )
    if reader.energy_unit is not None and reader.energy_unit not in JOULES:
        raise UserError(
            f"unit of energy {reader.energy_unit!r} is unknown", f"choose one of {', '.join(JOULES)}"
        )
    if reader.cumulative and not places["epoch"]:
        raise UserError(
            f"--cumulative speaks of epochs, and {table.name} has no column for the epoch",
            "name it with --epoch, or leave --cumulative out",
        )
