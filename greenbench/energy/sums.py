"""How readings add up: over windows, and over devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from greenbench.energy.reading import Reading, Status

CONTAINS: dict[str, tuple[str | None, ...]] = {
    "machine": ("GPU", "module", "SoC", "CPU package", "CPU memory", "neural engine", None),
    "module": ("GPU",),
    "SoC": ("GPU", "CPU package", "CPU memory", "neural engine"),
}
"""Parts of which another one's energy is a part."""

_Number = TypeVar("_Number", int, float)


_NOTHING = Reading(None, Status.NOT_MEASURED, "none", 0.0, "there is no such part")


def total(readings: Sequence[Reading]) -> Reading:
    """Add up readings of consecutive windows. One without a number, or of other parts, leaves the sum without one."""
    if not readings:
        return Reading(None, Status.NOT_MEASURED, "none", 0.0, "no window was measured")
    seconds = sum(reading.seconds for reading in readings)
    boundaries = list(dict.fromkeys(reading.boundary or "unknown" for reading in readings))
    if len(boundaries) > 1 and all(reading.energy_j is not None for reading in readings):
        reason = f"the windows are of different parts of the machine: {', '.join(boundaries)}"
        return Reading(None, Status.INVALID, readings[0].method, seconds, reason)
    return _add(readings, seconds)


def together(readings: Sequence[Reading]) -> Reading:
    """Add up the readings of several devices over one and the same window.

    Of one part of the machine, such as its GPUs, all must have been measured, or none counts. The first part does the
    work: without its energy there is no sum. A later part without energy is left out, and a note says why. An external
    meter of the whole machine contains all others.

    The sum's boundary names the parts that are in it.
    """
    if len(readings) == 1:
        return readings[0]
    parts: dict[str | None, list[Reading]] = {}
    for reading in readings:
        parts.setdefault(reading.boundary, []).append(reading)
    for container, inside in CONTAINS.items():
        if all(reading.energy_j is not None for reading in parts.get(container, [_NOTHING])):
            parts = {part: found for part, found in parts.items() if part not in inside}
    first, *later = parts
    if any(reading.energy_j is None for reading in parts[first]):
        later = []
    counted, notes = [first], []
    for part in later:
        without = next((reading for reading in parts[part] if reading.energy_j is None), None)
        if without is None:
            counted.append(part)
        else:
            notes.append(f"without {part or without.device or without.method}: {without.reason}")
    summed = [reading for part in counted for reading in parts[part]]
    whole = _add(summed, readings[0].seconds)
    if len(summed) == 1:
        return replace(whole, notes=(*whole.notes, *notes))
    return replace(
        whole,
        device=_joined(reading.device for reading in summed),
        uuid=_joined(reading.uuid for reading in summed),
        method=_joined(dict.fromkeys(reading.method for reading in summed)) or whole.method,
        ticks=_all_or_none([reading.ticks for reading in summed], min),
        max_power_w=None,  # the devices' peaks need not coincide
        start=None,
        end=None,
        notes=(*whole.notes, *notes),
        boundary=_joined(counted, " + "),
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


def _joined(values: Iterable[str | None], by: str = "+") -> str | None:
    return by.join(value for value in values if value) or None
