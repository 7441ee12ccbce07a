"""What tables made elsewhere say: a row for each quantity of their records."""

from __future__ import annotations

from collections.abc import Callable

from greenbench.records.record import Record
from greenbench.records.results import Imported
from greenbench.spec.case import IMPORTED
from greenbench.verdict.quantity import Better, Quantity


def _taken(field: str) -> Callable[[Record], float | None]:
    def value(record: Record) -> float | None:
        found: float | None = getattr(record.result, field) if isinstance(record.result, Imported) else None
        return found

    return value


def _missing(field: str) -> Callable[[Record], str | None]:
    return lambda record: record.result.reasons.get(field) if isinstance(record.result, Imported) else None


def _quantity(
    name: str, title: str, unit: str, field: str, *, better: Better = "lower", headline: bool = False
) -> Quantity:
    return Quantity(
        name,
        title,
        IMPORTED,
        "imported",
        unit,
        better,
        _taken(field),
        unknown=_missing(field),
        headline=headline,
    )


IMPORTED_SCORE = _quantity("score", "{metric}", "%", "score", better="higher", headline=True)
IMPORTED_ENERGY = _quantity("train_energy_j", "Energy", "J", "energy_j")
IMPORTED_TIME = _quantity("train_time_s", "Time", "s", "seconds")
STEPS = _quantity("steps", "Steps", "", "steps")

IMPORTED_COLUMNS = (IMPORTED_SCORE, IMPORTED_ENERGY, IMPORTED_TIME)
"""As tables of imported results show them; verdicts on them are those on the quantities of a training of the same name."""
