"""What cost cases say: a row for each quantity of the table of costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from greenbench.records.record import Record
from greenbench.records.results import Cost
from greenbench.verdict.quantity import Quantity

_NOTE = (
    "A training would cost this: the steps that were taken, and for all others the mean of a step, which was measured until "
    "known to 1 % (95 % interval) or for a limited time. The whole case has evaluation, reading of data and building of "
    "networks, too."
)


_Value = TypeVar("_Value")


def _cost(take: Callable[[Cost], _Value | None]) -> Callable[[Record], _Value | None]:
    return lambda record: take(record.result) if isinstance(record.result, Cost) else None


def _memory(record: Record) -> float | None:
    return record.memory.peak_bytes if isinstance(record.result, Cost) else None


COST_ENERGY = Quantity(
    "cost_energy_j",
    "Energy",
    "cost",
    "cost",
    "J",
    "lower",
    _cost(lambda cost: cost.energy.energy_j),
    reading=_cost(lambda cost: cost.energy),
)
COST_TIME = Quantity(
    "cost_time_s",
    "Time",
    "cost",
    "cost",
    "s",
    "lower",
    _cost(lambda cost: cost.train_seconds),
    half_width=_cost(lambda cost: cost.train_half_width_s),
    note=_NOTE,
)
CASE_ENERGY = Quantity(
    "case_energy_j",
    "Energy of whole case",
    "cost",
    "cost",
    "J",
    "lower",
    _cost(lambda cost: cost.whole.energy_j),
    reading=_cost(lambda cost: cost.whole),
)
CASE_TIME = Quantity(
    "case_time_s", "Time of whole case", "cost", "cost", "s", "lower", _cost(lambda cost: cost.whole.seconds)
)
IMAGES_PER_SECOND = Quantity(
    "images_per_s", "Images/s", "cost", "cost", "", "higher", _cost(lambda cost: cost.images_per_s), digits=0
)
COST_MEMORY = Quantity(
    "cost_memory_bytes",
    "Peak memory",
    "cost",
    "cost",
    "B",
    "lower",
    _memory,
    unknown=lambda record: record.memory.reason,
)

COST_QUANTITIES = (COST_TIME, COST_ENERGY, CASE_TIME, CASE_ENERGY, IMAGES_PER_SECOND, COST_MEMORY)
