"""The report's tables: which kind of case each shows, and how it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from greenbench.energy.carbon import CarbonIntensity
from greenbench.records.record import Record
from greenbench.records.results import Inference
from greenbench.spec.case import IMPORTED, Kind
from greenbench.verdict.quantities import Quantity, shown_quantities


@dataclass(frozen=True)
class Layout:
    """One table: its columns from left to right, and its title, which takes one of its records."""

    kind: Kind
    title: Callable[[Record], str]
    columns: tuple[Quantity, ...]


def layouts(intensity: CarbonIntensity) -> tuple[Layout, ...]:
    """Return the layouts of all tables; a quantity says itself where it stands."""
    shown = shown_quantities(intensity)
    return tuple(
        Layout(kind, title, tuple(quantity for quantity in shown if quantity.table == table))
        for table, (kind, title) in _TABLES.items()
    )


def _batch_title(record: Record) -> str:
    size = record.result.large.batch_size if isinstance(record.result, Inference) else "many"
    return f"inference, batches of {size}"


_TABLES: dict[str, tuple[Kind, Callable[[Record], str]]] = {
    "training": ("training", lambda _record: "training"),
    "single": ("inference", lambda _record: "inference, single images"),
    "batch": ("inference", _batch_title),
    "imported": (IMPORTED, lambda _record: IMPORTED),
    "cost": ("cost", lambda record: f"what a training would cost, on {record.case.setting['data']}"),
}
