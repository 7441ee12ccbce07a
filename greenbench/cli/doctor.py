"""Say what energy can be measured on this machine, how well, and what would be wrong.

Measures every visible GPU, the CPU and its memory for a few seconds each, while nothing else should run. Exit code 0
only where a measurement would be valid on every GPU (without a GPU: on the CPU), else 1.

With --calibrate it examines nothing, but holds a GPU's power readings against an external meter on the card's own supply
(slot and cables). The trace is a CSV file with the columns time_s, device_w (or device_energy_j, of the counter) and
reference_w, on one clock; cells may be empty, and device_time_s and reference_time_s tell two times apart. Record a load
that goes up and down every few seconds, at the powers that will be measured. What is found is stored for the GPU's UUID
and used from then on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from greenbench.cli._calibrate import run_calibration, run_forget, stored_json, stored_lines
from greenbench.energy.calibration.session import REFERENCE_GAIN
from greenbench.energy.calibration.store import stored
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
    parser.add_argument(
        "--calibrate", metavar="TRACE", help="find gain and lag of a GPU from this file, and store them"
    )
    parser.add_argument("--device", metavar="UUID", help="the GPU of the trace (the only one)")
    parser.add_argument(
        "--reference-gain",
        default=f"{100 * REFERENCE_GAIN:g}%",
        metavar="SHARE",
        help="standard uncertainty of the external meter's calibration (%(default)s)",
    )
    parser.add_argument("--forget", metavar="UUID", help="remove the stored calibration of a GPU")


def run(args: argparse.Namespace) -> int:
    """Examine the machine and print what was found; or calibrate a GPU, or forget that."""
    if args.device is not None and args.calibrate is None:
        raise UserError("--device says whose trace it is, and there is none", "add --calibrate TRACE")
    if args.forget is not None:
        if args.calibrate is not None:
            raise UserError("--forget and --calibrate cannot be done at once", "choose one of them")
        return run_forget(args.forget, args.json)
    if args.calibrate is not None:
        return run_calibration(args.calibrate, args.device, args.reference_gain, args.json)
    if not MIN_SECONDS <= args.seconds <= MOST_SECONDS:
        raise UserError(
            f"--seconds {args.seconds:g}: it must be from {MIN_SECONDS:g} to {MOST_SECONDS:g}, since a shorter "
            f"measurement is not valid",
            f"write --seconds {MIN_SECONDS:g}",
        )
    found = examine_machine(args.seconds)
    valid = all(device.valid for device in _decisive(found))
    calibrations = stored()
    if args.json:
        devices = [asdict(device) for device in found]
        print(json.dumps({"valid": valid, "devices": devices, "calibrations": stored_json(calibrations)}))
    else:
        for device in found:
            print("\n".join(_lines(device)))
        for line in stored_lines(calibrations):
            print(line)
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
