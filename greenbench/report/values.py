"""What a table or figure says of one quantity: a mean with its interval, written in its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenbench.energy.reading import Reading, Status
from greenbench.records.record import Record
from greenbench.units import MISSING, si
from greenbench.verdict.quantities import Quantity
from greenbench.verdict.statistics import Estimate, estimate

MARKS: Mapping[Status, tuple[str, str]] = {
    Status.MEASURED_SHORT: ("†", "measured over a short time"),
    Status.ESTIMATED: (" est.", "estimated from a stated power, not measured"),
}
"""How a value is marked that is not a full measurement, and what the mark means."""

PREFIXED = ("J", "s", "W", "B")
"""Units that take SI prefixes where a heading does not name the unit."""


@dataclass(frozen=True)
class Written:
    """A value in its parts: ``90.0``, ``0.4``, ``%`` is read as ``90.0 ± 0.4%``."""

    value: str
    interval: str = ""
    unit: str = ""


def measured(quantity: Quantity, records: Sequence[Record]) -> Estimate | None:
    """Return the mean over the records; None unless every one of them has the value.

    The interval is that of the runs. One run has that of its repeats, or of its energy reading, where it has such.
    """
    values = [quantity.take(record) for record in records]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return estimate(known) if len(known) > 1 else _of_one_run(quantity, records[0], known[0])


def written(quantity: Quantity, value: Estimate) -> Written:
    """Write a mean and its interval."""
    mean, half = value.mean, value.half_width
    if quantity.unit == "%":
        return Written(f"{100 * mean:.1f}", "" if half is None else f"{100 * half:.1f}", "%")
    if quantity.digits is not None:
        number, spread = mean / quantity.scale, (half or 0.0) / quantity.scale
        return Written(f"{number:.{quantity.digits}f}", f"{spread:.{quantity.digits}f}" if spread else "")
    share = "" if half is None or mean == 0 else f"{100 * half / abs(mean):.0f}%"
    text = si(mean, quantity.unit) if quantity.unit in PREFIXED else f"{mean:.4g} {quantity.unit}".rstrip()
    return Written(text, share)


def mark(quantity: Quantity, records: Sequence[Record]) -> str:
    """Return the mark of a value that is not a full measurement; see `MARKS`."""
    statuses = {reading.status for reading in readings(quantity, records)}
    return "".join(sign for status, (sign, _) in MARKS.items() if status in statuses)


def readings(quantity: Quantity, records: Sequence[Record]) -> list[Reading]:
    """Return the energy readings that a quantity comes from."""
    if quantity.reading is None:
        return []
    return [reading for record in records if (reading := quantity.reading(record)) is not None]


def shown(value: Written, *, interval: bool = True) -> str:
    """Return the value as it is read, with or without its interval."""
    if value.value == MISSING or not (interval and value.interval):
        return value.value + value.unit
    return f"{value.value} ± {value.interval}{value.unit}"


def _of_one_run(quantity: Quantity, record: Record, value: float) -> Estimate:
    if quantity.repeats is not None:
        # One disturbed repeat widens the interval; it does not move the value itself.
        repeats = quantity.repeats(record)
        return Estimate(value, 1, estimate(repeats).half_width if repeats else None)
    if quantity.half_width is not None:
        return Estimate(value, 1, quantity.half_width(record))
    reading = quantity.reading(record) if quantity.reading else None
    if reading is None or not reading.energy_j or reading.comparison_uncertainty_j is None:
        return Estimate(value, 1, None)
    return Estimate(value, 1, value * reading.comparison_uncertainty_j / reading.energy_j)
