"""Say what energy can be measured on this machine, how well, and what would be wrong.

Measures every visible GPU, the CPU and its memory for a few seconds each, while nothing else should run. Exit code 0
only where a measurement would be valid on every GPU (without a GPU: on the CPU), else 1.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from greenbench.energy.doctor import Examination, examine_machine
from greenbench.energy.gates import MIN_SECONDS
from greenbench.errors import UserError
from greenbench.units import percent, si

MOST_SECONDS = 3600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.add_argument(
        "--seconds",
        type=float,
        default=6.0,
        metavar="S",
        help="measure each device for S seconds (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Examine the machine and print what was found."""
    if not MIN_SECONDS <= args.seconds <= MOST_SECONDS:
        raise UserError(
            f"--seconds {args.seconds:g}: it must be from {MIN_SECONDS:g} to {MOST_SECONDS:g}, since a shorter "
            f"measurement is not valid",
            f"write --seconds {MIN_SECONDS:g}",
        )
    found = examine_machine(args.seconds)
    valid = all(device.valid for device in _decisive(found))
    if args.json:
        print(json.dumps({"valid": valid, "devices": [asdict(device) for device in found]}))
    else:
        for device in found:
            print("\n".join(_lines(device)))
        print(_verdict(found, valid))
    return 0 if valid else 1


def _decisive(found: Sequence[Examination]) -> Sequence[Examination]:
    """Return the devices that must be valid: a CPU that hides its counters leaves a GPU's joules as they are."""
    return [device for device in found if not device.boundary.startswith("CPU")] or found


def _verdict(found: Sequence[Examination], valid: bool) -> str:
    if not valid:
        return "A measurement here would not be valid."
    without = dict.fromkeys(device.boundary for device in found if not device.valid)
    return f"A measurement here would be valid{', except of the ' if without else ''}{', '.join(without)}."


def _lines(device: Examination) -> list[str]:
    lines = [f"{device.device} {device.uuid or ''}".rstrip()]
    if device.tick_ms is not None:
        lines.append(f"  method       {device.method}, updated every {device.tick_ms:.3g} ms")
    if device.idle_power_w is not None:
        spread = f" ± {device.idle_spread_w:.1f} W" if device.idle_spread_w is not None else ""
        lines.append(f"  power now    {device.idle_power_w:.1f} W{spread} (idle, if nothing else runs)")
    if device.counter_j and device.integral_j is not None:
        apart = percent(device.integral_j / device.counter_j - 1)
        lines.append(
            f"  cross-check  counter {si(device.counter_j, 'J')}, integrated power "
            f"{si(device.integral_j, 'J')} ({apart})"
        )
    if device.uncertainty_j is not None:
        lines.append(f"  uncertainty  ± {si(device.uncertainty_j, 'J')} (95 %, with the calibration)")
    condition = [
        f"{value:g} {unit}"
        for value, unit in (
            (device.temperature_c, "°C"),
            (device.sm_clock_mhz, "MHz"),
            (device.power_limit_w, "W limit"),
        )
        if value is not None
    ]
    if device.driver:
        condition.append(f"driver {device.driver}")
    if condition:
        lines.append(f"  condition    {', '.join(condition)}")
    lines += [f"  note         {note}" for note in device.notes]
    if device.problem:
        lines += [f"  PROBLEM      {device.problem}", f"  next step    {device.next_step}"]
    return lines
