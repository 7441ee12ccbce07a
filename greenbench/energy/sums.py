"""How readings add up: over windows, and over devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from greenbench.energy.reading import Reading, Status

_Number = TypeVar("_Number", int, float)


def total(readings: Sequence[Reading]) -> Reading:
    """Add up readings of consecutive windows; one without a number leaves the sum without one."""
    if not readings:
        return Reading(None, Status.NOT_MEASURED, "none", 0.0, "no window was measured")
    return _add(readings, sum(reading.seconds for reading in readings))


def together(readings: Sequence[Reading]) -> Reading:
    """Add up readings of several devices over one and the same window."""
    if len(readings) == 1:
        return readings[0]
    whole = _add(readings, readings[0].seconds)
    return replace(
        whole,
        device=_joined(reading.device for reading in readings),
        uuid=_joined(reading.uuid for reading in readings),
        method=_joined(dict.fromkeys(reading.method for reading in readings)) or whole.method,
        ticks=_all_or_none([reading.ticks for reading in readings], min),
        max_power_w=None,  # the devices' peaks need not coincide
        start=None,
        end=None,
        trace=None,
    )


def _add(readings: Sequence[Reading], seconds: float) -> Reading:
    worst = max(readings, key=lambda reading: list(Status).index(reading.status))
    notes = tuple(dict.fromkeys(note for reading in readings for note in reading.notes))
    if worst.energy_j is None:
        return replace(worst, seconds=seconds, notes=notes, trace=None)
    uncertainties = [reading.uncertainty for reading in readings if reading.uncertainty is not None]
    return replace(
        worst,
        energy_j=sum(reading.energy_j or 0.0 for reading in readings),
        seconds=seconds,
        ticks=_all_or_none([reading.ticks for reading in readings], sum),
        idle_j=_all_or_none([reading.idle_j for reading in readings], sum),
        net_energy_j=_all_or_none([reading.net_energy_j for reading in readings], sum),
        idle_drift_w=readings[0].idle_drift_w if len(readings) == 1 else None,
        uncertainty=sum(uncertainties[1:], uncertainties[0]) if len(uncertainties) == len(readings) else None,
        max_power_w=_all_or_none([reading.max_power_w for reading in readings], max),
        start=readings[0].start,
        end=readings[-1].end,
        thermal_throttle=_mean_share(readings, "thermal_throttle"),
        power_throttle=_mean_share(readings, "power_throttle"),
        notes=notes,
        scaled_by=readings[0].scaled_by if len({reading.scaled_by for reading in readings}) == 1 else 1.0,
        trace=None,
    )


def _all_or_none(
    values: Sequence[_Number | None], combine: Callable[[Iterable[_Number]], _Number]
) -> _Number | None:
    present = [value for value in values if value is not None]
    return combine(present) if len(present) == len(values) else None


def _mean_share(readings: Sequence[Reading], name: str) -> float | None:
    seconds = sum(reading.seconds for reading in readings)
    throttled: list[float | None] = [
        None if (share := getattr(reading, name)) is None else share * reading.seconds for reading in readings
    ]
    throttled_s = _all_or_none(throttled, sum)
    return None if throttled_s is None or not seconds else throttled_s / seconds


def _joined(values: Iterable[str | None]) -> str | None:
    return "+".join(value for value in values if value) or None
