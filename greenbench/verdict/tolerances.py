"""How far a technique may fall behind its baseline.

Rows come from a file of the user's, from techniques and workloads themselves, and from ``tolerances.toml``; a baseline's
floor is in its workload's file.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from greenbench.errors import UserError
from greenbench.spec.scale import SCALES
from greenbench.spec.technique import BASELINE, Technique
from greenbench.spec.workload import Workload
from greenbench.verdict.quantities import Quantity, find_quantity

BOUNDS = ("allowed_drop", "allowed_ratio")
OF_TECHNIQUES = "techniques"
"""In a file: bounds of single techniques, of the same scale, quantity, workload and source as the row that they stand in."""


class Origin(IntEnum):
    """Who states a row: where several do, the greater counts."""

    PACKAGE = 0
    WORKLOAD = 1
    TECHNIQUE = 2
    FILE = 3


@dataclass(frozen=True)
class Tolerance:
    """One row.

    Attributes
    ----------
    scale, quantity
        Where it applies.
    source
        Where the number comes from.
    technique, workload
        For these alone; None for every one that has no row of its own.
    allowed_drop
        Largest baseline - value, for scores.
    allowed_ratio
        Largest value / baseline, for costs.
    origin
        Who states it.
    """

    scale: str
    quantity: str
    source: str
    technique: str | None = None
    workload: str | None = None
    allowed_drop: float | None = None
    allowed_ratio: float | None = None
    origin: Origin = Origin.PACKAGE

    def __post_init__(self) -> None:
        needed, other = _bounds_of(find_quantity(self.quantity))
        what = f"the tolerance of {self.quantity}{f' at scale {self.scale}' if self.scale else ''}"
        bound = getattr(self, needed)
        if getattr(self, other) is not None:
            raise UserError(f"{what} states {other}", f"state {needed} alone")
        if bound is None:
            raise UserError(f"{what} states no bound", f"state {needed}")
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 <= bound < math.inf:
            raise UserError(f"{what} has the {needed} {bound!r}", "give a number that is not below 0")

    @property
    def rank(self) -> tuple[Origin, bool, bool]:
        """Orders rows that apply alike: by origin, and of one origin a technique's own row before a workload's."""
        return self.origin, self.technique is not None, self.workload is not None


def _bounds_of(quantity: Quantity) -> tuple[str, str]:
    """Return the bound that a quantity has, and the one that it has not."""
    drop, ratio = BOUNDS
    return (drop, ratio) if quantity.is_score else (ratio, drop)


@cache
def load_tolerances() -> tuple[Tolerance, ...]:
    """Return the rows of tolerances.toml."""
    text = resources.files(__package__).joinpath("tolerances.toml").read_text(encoding="utf-8")
    return _rows(text, "tolerances.toml", Origin.PACKAGE)


def read_tolerances(file: Path) -> tuple[Tolerance, ...]:
    """Return the rows of a user's file in the form of tolerances.toml; what has no `source` there gets the file's name.

    Raises
    ------
    UserError
        Naming the file, and the row where one is wrong.
    """
    try:
        return _rows(file.read_text(encoding="utf-8"), str(file), Origin.FILE)
    except OSError as error:
        raise UserError(
            f"the tolerances {file} cannot be read ({error.strerror})", "give the path of a TOML file"
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not encoded as UTF-8", "save it as UTF-8") from error


def own_rows(scale: str, *items: Technique | Workload) -> list[Tolerance]:
    """Return, as rows for one scale, the tolerances that techniques and workloads state themselves."""
    rows = []
    for item in items:
        place: dict[str, Any] = {"workload": item.name, "origin": Origin.WORKLOAD}
        if isinstance(item, Technique):
            place = {"technique": item.name, "origin": Origin.TECHNIQUE}
        source = f"stated by {item.name}"
        rows += [
            Tolerance(scale, name, source, **place, **{_bounds_of(find_quantity(name))[0]: bound})
            for name, bound in _mapping(item.tolerances).items()
        ]
    return rows


def _mapping(tolerances: Any) -> Mapping[str, Any]:
    if not isinstance(tolerances, Mapping):
        raise UserError(f"tolerances is {tolerances!r}", "give a bound by quantity: {'params': 1.6}")
    return tolerances


def _rows(text: str, name: str, origin: Origin) -> tuple[Tolerance, ...]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{name} is not TOML: {error}", "mend that line") from error
    rows = content.pop("change", [])
    if content or not rows or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(
            f"{name} has {', '.join(content) or 'no rows'} where [[change]] is expected",
            "write each tolerance below a line [[change]]",
        )
    return tuple(
        tolerance
        for number, row in enumerate(rows, start=1)
        for tolerance in _row(row, f"{name}, row {number}", name, origin)
    )


def _row(row: dict[str, Any], place: str, name: str, origin: Origin) -> Iterator[Tolerance]:
    given = {"source": name, **row}
    bounds = given.pop(OF_TECHNIQUES, {})
    if not isinstance(bounds, dict) or (bounds and "technique" in given):
        raise UserError(
            f"{place}: {OF_TECHNIQUES} is {bounds!r}",
            "give bounds by technique, such as {mixup = 0.05}, in a row without a technique",
        )
    texts = ("scale", "quantity", "source", "technique", "workload")
    for key in given.keys() - {*texts, *BOUNDS}:
        raise UserError(
            f"{place}: the key {key!r} is unknown",
            f"choose from {', '.join((*texts, *BOUNDS, OF_TECHNIQUES))}",
        )
    for key in texts:
        value = given.get(key)
        if not isinstance(value, str) and (key in given or key in texts[:2]):
            raise UserError(f"{place}: {key} is {value!r}, not a text", f"state {key} as a text")
    if given["scale"] not in SCALES:
        raise UserError(
            f"{place}: the scale {given['scale']!r} is unknown", f"choose one of {', '.join(SCALES)}"
        )
    try:
        yield Tolerance(**given, origin=origin)
        bound = _bounds_of(find_quantity(given["quantity"]))[0]
        for technique, allowed in bounds.items():
            yield Tolerance(**{**given, "technique": technique, bound: allowed}, origin=origin)
    except UserError as error:
        raise UserError(f"{place}: {error.problem}", error.next_step) from error


def as_toml(rows: Sequence[Tolerance]) -> str:
    """Return rows in the form that `read_tolerances` reads: techniques in the row of all others, where one has their source."""
    general = {_place(row) for row in rows if row.technique is None}
    parts = []
    for row in rows:
        if row.technique is not None and _place(row) in general:
            continue
        lines = ["[[change]]"]
        for key in ("scale", "quantity", "technique", "workload", *BOUNDS, "source"):
            value = getattr(row, key)
            if value is not None:
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
        bound = _bounds_of(find_quantity(row.quantity))[0]
        own = [other for other in rows if other.technique is not None and _place(other) == _place(row)]
        if row.technique is None and own:
            lines.append(f"[change.{OF_TECHNIQUES}]")
            lines += [f"{_key(other.technique or '')} = {getattr(other, bound):g}" for other in own]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _place(row: Tolerance) -> tuple[str, str, str | None, str]:
    return row.scale, row.quantity, row.workload, row.source


def find_tolerance(
    scale: str, quantity: str, technique: str, workload: str, tolerances: Sequence[Tolerance]
) -> Tolerance | None:
    """Return the row that counts; a composition may do what all of its parts may do together."""
    if technique == BASELINE:
        return None
    own = _most_specific(scale, quantity, technique, workload, tolerances)
    if own is not None and own.technique == technique:
        return own
    parts = technique.split("+")
    rows = [_most_specific(scale, quantity, part, workload, tolerances) for part in parts]
    known = [row for row in rows if row is not None]
    if len(known) < len(parts):
        return None
    if len(parts) == 1:
        return known[0]
    drop = ratio = None
    if all(row.allowed_drop is not None for row in known):
        drop = math.fsum(row.allowed_drop or 0.0 for row in known)
    else:
        ratio = math.prod(row.allowed_ratio or 0.0 for row in known)
    source = "; ".join(f"{row.technique or 'any'}: {row.source}" for row in known)
    return Tolerance(scale, quantity, source, technique, workload, drop, ratio)


def _most_specific(
    scale: str, quantity: str, technique: str, workload: str, tolerances: Sequence[Tolerance]
) -> Tolerance | None:
    matching = [
        row
        for row in tolerances
        if (row.scale, row.quantity) == (scale, quantity)
        and row.technique in (None, technique)
        and row.workload in (None, workload)
    ]
    return max(matching, key=lambda row: row.rank, default=None)
