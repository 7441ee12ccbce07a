"""Measure the energy of any command, and pass its exit code on.

Opens a window on every visible GPU (or on the CPU where there is none), runs COMMAND in it, and prints what
was measured: as text on standard error, or with --json as one line on standard output, after the command's
own output. "energy_j" is null unless it is a valid measurement; "reason" then says why, and "next_step" what
to do about it.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from greenbench.energy import BUSY_POLICIES, Reading, Status, meter_forms, open_meter
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.replay import Recorder
from greenbench.errors import UserError
from greenbench.units import si

NOT_FOUND = 127
NOT_EXECUTABLE = 126
SIGNALED = 128


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument(
        "--meter",
        default="auto",
        metavar="SOURCE",
        help=f"one of {', '.join(meter_forms())} (default: %(default)s)",
    )
    parser.add_argument(
        "--on-busy",
        default="mark",
        choices=BUSY_POLICIES,
        help="when other programs are on a GPU: refuse, wait until it is free, or mark the reading as an "
        "estimate (default: %(default)s)",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the samples into FILE, for replay")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


def run(args: argparse.Namespace) -> int:
    """Run the command in a window and print the readings."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UserError("no command to measure", "write for example: greenbench watch -- python train.py")
    with open_meter(args.meter, devices="all", busy=args.on_busy) as meter:
        recorder = _recorder(meter, args.record)
        with meter.window("command") as window:
            exit_code = _execute(command)
        if recorder is not None:
            recorder.close()
    if args.json:
        readings = [_shown(reading) for reading in window.readings]
        print(json.dumps({"command": command, "exit_code": exit_code, "readings": readings}), flush=True)
    else:
        for reading in window.readings:
            print(_line(reading), file=sys.stderr)
    return exit_code


def _recorder(meter: object, path: Path | None) -> Recorder | None:
    if path is None:
        return None
    if not isinstance(meter, DeviceMeter):
        raise UserError("--record needs a meter that samples, and there is none", "see 'greenbench doctor'")
    return Recorder(meter, path)


def _execute(command: list[str]) -> int:
    """Run the command to its end; signals are its business, not ours."""
    with _signals() as forward_to:
        try:
            process = subprocess.Popen(command)
        except FileNotFoundError:
            print(f"greenbench: error: command {command[0]!r} was not found", file=sys.stderr)
            return NOT_FOUND
        except OSError as error:
            print(f"greenbench: error: command {command[0]!r} cannot be run: {error}", file=sys.stderr)
            return NOT_EXECUTABLE
        forward_to(process)
        code = process.wait()
    return code if code >= 0 else SIGNALED - code


@contextmanager
def _signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Hold signals for a process that is yet to start, and hand them on to it from then on."""
    received: list[int] = []
    processes: list[subprocess.Popen[bytes]] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        # The terminal sends an interrupt to the command too: wait for what it makes of it.
        if number == signal.SIGINT:
            return
        received.append(number)
        for process in processes:
            process.send_signal(number)

    def forward_to(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        for number in received:
            process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield forward_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shown(reading: Reading) -> dict[str, Any]:
    measured = reading.status in (Status.MEASURED, Status.MEASURED_SHORT)
    return {
        "device": reading.device,
        "uuid": reading.uuid,
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


def _line(reading: Reading) -> str:
    name = reading.device or "energy"
    remarks = "; ".join(filter(None, (reading.reason, reading.next_step, *reading.notes)))
    tail = f" ({remarks})" if remarks else ""
    if reading.energy_j is None:
        return f"{name}: {reading.status} in {reading.seconds:.2f} s{tail}"
    interval = f" ± {si(reading.uncertainty_j, 'J', 2)}" if reading.uncertainty_j is not None else ""
    return (
        f"{name}: {si(reading.energy_j, 'J', 4)}{interval} in {reading.seconds:.2f} s, "
        f"{si(reading.mean_power_w, 'W')}, {reading.status} by {reading.method}{tail}"
    )
