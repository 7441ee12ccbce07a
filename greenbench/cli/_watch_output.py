"""How ``greenbench watch`` shows readings: as text on standard error, as JSON lines on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from greenbench.cli._streams import say, silence
from greenbench.energy import Reading, Status
from greenbench.energy.carbon import CarbonIntensity, co2_kg
from greenbench.units import si

LIVE_WIDTH = 60


def is_measured(reading: Reading) -> bool:
    """Whether the reading is a measurement, and no estimate."""
    return reading.status in (Status.MEASURED, Status.MEASURED_SHORT)


def as_json(readings: Sequence[Reading], whole: Reading, carbon: CarbonIntensity | None) -> dict[str, Any]:
    """Return what a JSON line says of a window: its devices, their sum, and the CO2 where a region was named."""
    shown = {"readings": [_fields(reading) for reading in readings], "sum": _fields(whole)}
    return {**shown, **(co2_json(whole.energy_j if is_measured(whole) else None, carbon) if carbon else {})}


def co2_json(energy_j: float | None, carbon: CarbonIntensity) -> dict[str, Any]:
    """Return the CO2 of measured joules, and the intensity that it is computed with."""
    return {"co2_kg": co2_kg(energy_j, carbon), "carbon_intensity": asdict(carbon)}


def as_text(readings: Sequence[Reading], whole: Reading, carbon: CarbonIntensity | None) -> list[str]:
    """Return a line for each device, one for their sum, and one for the CO2 where a region was named."""
    lines = [reading_line(reading) for reading in readings]
    if len(readings) > 1:
        lines.append(reading_line(whole, f"sum ({whole.boundary or 'all devices'})", remarks=False))
    if carbon:
        lines.append(co2_line(whole.energy_j if is_measured(whole) else None, carbon))
    return lines


def co2_line(energy_j: float | None, carbon: CarbonIntensity) -> str:
    """Return the CO2 of measured joules as text."""
    kg = co2_kg(energy_j, carbon)
    amount = "no CO2 without measured joules" if kg is None else f"{si(1e3 * kg, 'g')} of CO2"
    return f"CO2: {amount} at {carbon}"


def reading_line(reading: Reading, name: str | None = None, *, remarks: bool = True) -> str:
    """Return a reading as a line of text. Without remarks it still says why there are no joules."""
    name = name or reading.device or "energy"
    said = (reading.reason, reading.next_step, *reading.notes) if remarks else (reading.reason,)
    tail = f" ({'; '.join(filter(None, said))})" if any(said) else ""
    if reading.energy_j is None:
        return f"{name}: {reading.status} in {reading.seconds:.2f} s{tail}"
    interval = f" ± {si(reading.uncertainty_j, 'J', 2)}" if reading.uncertainty_j is not None else ""
    return (
        f"{name}: {si(reading.energy_j, 'J', 4)}{interval} in {reading.seconds:.2f} s, "
        f"{si(reading.mean_power_w, 'W')}, {reading.status} by {reading.method}{tail if remarks else ''}"
    )


def print_json(line: dict[str, Any], otherwise: str) -> None:
    """Print one JSON line. Where standard output cannot take it, say `otherwise` on standard error."""
    try:
        print(json.dumps(line), flush=True)
    except OSError as error:
        silence(sys.stdout)
        say(f"greenbench: standard output cannot be written ({error.strerror}): {otherwise}")


class LiveLine:
    """One line on a terminal that each second's reading writes anew."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._energy_j = 0.0

    def show(self, _readings: Sequence[Reading], whole: Reading) -> None:
        """Add a second and show it."""
        self._seconds += whole.seconds
        self._energy_j += whole.energy_j or 0.0
        now = str(whole.status) if whole.energy_j is None else si(whole.mean_power_w, "W")
        estimated = " (estimated)" if whole.status is Status.ESTIMATED else ""
        text = f"{self._seconds:.0f} s, {now}, {si(self._energy_j, 'J')} so far{estimated}"
        say(f"\r{text:{LIVE_WIDTH}}", end="")

    def clear(self) -> None:
        """Remove the line."""
        say(f"\r{'':{LIVE_WIDTH}}\r", end="")


def _fields(reading: Reading) -> dict[str, Any]:
    measured = is_measured(reading)
    return {
        "device": reading.device,
        "uuid": reading.uuid,
        "boundary": reading.boundary,
        "status": str(reading.status),
        "energy_j": reading.energy_j if measured else None,
        "estimated_j": None if measured else reading.energy_j,
        "uncertainty_j": reading.uncertainty_j if measured else None,
        "seconds": reading.seconds,
        "mean_power_w": reading.mean_power_w if measured else None,
        "max_power_w": reading.max_power_w,
        "method": reading.method,
        "ticks": reading.ticks,
        "reason": reading.reason,
        "next_step": reading.next_step,
        "notes": list(reading.notes),
    }
