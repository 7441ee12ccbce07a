"""Measure the energy of any command, and pass its exit code on.

Opens a window on every device that can be measured, runs COMMAND in it, and prints what was measured: as text on
standard error, or with --json as one line on standard output, after the command's own output. "energy_j" is null
unless it is a valid measurement; "reason" then says why, and "next_step" what to do about it.

    greenbench watch -- python train.py                  one run
    greenbench watch --repeat 5 -- python train.py       the mean of five, with a 95 % interval
    greenbench watch --vs 'python old.py' -- python new.py    how many times the joules of old.py new.py needs
    greenbench watch --pid 1234                          a process that runs already, until it ends or Ctrl-C
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from greenbench.cli._streams import say
from greenbench.cli._watch_window import Watch
from greenbench.cli._watched import Attached, Command
from greenbench.energy import BUSY_POLICIES, Meter, meter_forms, open_meter
from greenbench.energy.carbon import carbon_intensity
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.replay import Recorder
from greenbench.energy.together import MeterGroup
from greenbench.errors import UserError

PAIRS = 5
MOST_RUNS = 10_000
SHORTEST_S, LONGEST_S = 1, 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON object a run on standard output")
    add(
        "--meter",
        default="all",
        metavar="SOURCE",
        help=f"one of {', '.join(meter_forms())} (default: %(default)s)",
    )
    add(
        "--on-busy",
        default="mark",
        choices=BUSY_POLICIES,
        help="when other programs are on a GPU: refuse, wait until it is free, or mark the reading as an "
        "estimate (default: %(default)s)",
    )
    add("--record", type=Path, metavar="FILE", help="write the samples into FILE, for replay")
    add("--carbon", metavar="REGION", help="show the CO2 too, for a region or amount: deu, '300 g/kWh'")
    add(
        "--repeat",
        type=int,
        metavar="N",
        help=f"run the command N times (with --vs: N pairs, {PAIRS} if not given) and show the mean",
    )
    add("--vs", metavar="'COMMAND A'", help="run A and COMMAND in turn, and show the ratio COMMAND / A")
    add("--pid", type=int, metavar="PID", help="watch a running process instead of a command")
    add("--every", type=float, metavar="S", help="with --pid: show every S seconds what was measured")
    add(
        "--live",
        action="store_true",
        help="renew one line each second, on a terminal (the rule with --pid)",
    )
    add("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


def run(args: argparse.Namespace) -> int:
    """Run the command in a window and print the readings."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    _check(args, command)
    carbon = None if args.carbon is None else carbon_intensity(args.carbon)
    attached = None if args.pid is None else Attached(args.pid)
    other = None if args.vs is None else _split(args.vs)
    with _opened(args) as meter:
        watch = Watch(meter, args.json, carbon, args.live or attached is not None)
        if attached is not None:
            watch.follow(attached, args.every)
            return 0
        if other is None and args.repeat is None:
            work = Command(command)
            watch.run(work, {"command": command})
            return work.exit_code
        from greenbench.cli import _watch_repeats

        if other is None:
            return _watch_repeats.repeat(watch, command, args.repeat)
        return _watch_repeats.compare(watch, other, command, args.repeat or PAIRS)


def _check(args: argparse.Namespace, command: list[str]) -> None:
    """Refuse what cannot be before anything runs."""
    if args.pid is None:
        if not command:
            raise UserError("no command to measure", "write for example: greenbench watch -- python train.py")
        if args.every is not None:
            raise UserError("--every is for --pid", "use --live to see a command's power while it runs")
    elif command or args.vs is not None or args.repeat is not None:
        raise UserError(
            "--pid watches a process that runs already", "leave out the command, --vs and --repeat"
        )
    elif args.on_busy == "wait":
        raise UserError("--pid cannot wait: the process runs already", "use --on-busy mark or fail")
    if args.repeat is not None and not 1 <= args.repeat <= MOST_RUNS:
        raise UserError(
            f"--repeat {args.repeat}: it must be from 1 to {MOST_RUNS}", f"write --repeat {PAIRS}"
        )
    if args.every is not None and not SHORTEST_S <= args.every <= LONGEST_S:
        raise UserError(
            f"--every {args.every:g}: it must be from {SHORTEST_S:g} to {LONGEST_S:g} seconds",
            "write for example --every 10",
        )
    if args.live and args.on_busy == "wait":
        raise UserError("--live cannot go with --on-busy wait", "leave one of them out")


def _split(text: str) -> list[str]:
    """Return the words of a command as a shell would, without running one."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--vs {text!r} cannot be read as a command: {error}", "close its quotes") from error
    if not words:
        raise UserError(f"--vs {text!r} is no command", "write for example --vs 'python old.py'")
    return words


@contextmanager
def _opened(args: argparse.Namespace) -> Iterator[Meter]:
    """Open the meter and the recording. What fails when they are closed is said, and loses nothing."""
    with ExitStack() as closing:
        meter = open_meter(args.meter, devices="all", busy=args.on_busy)
        closing.callback(_close, meter.close, "the meter could not be closed")
        if args.record is not None:
            recorder = Recorder(_sampled(meter), args.record)
            closing.callback(_close, recorder.close, f"the trace {args.record} is incomplete")
        yield meter


def _sampled(meter: Meter) -> DeviceMeter:
    """Return the meter whose samples a trace can hold."""
    parts = meter.meters if isinstance(meter, MeterGroup) else (meter,)
    sampled = [part for part in parts if isinstance(part, DeviceMeter)]
    if not sampled:
        raise UserError("--record needs a meter that samples, and there is none", "see 'greenbench doctor'")
    if len(sampled) > 1:
        names = " and ".join(part.name for part in sampled)
        raise UserError(
            f"--record takes the samples of one meter, and there are {names}", "add --meter nvml, or rapl"
        )
    return sampled[0]


def _close(close: Callable[[], None], failure: str) -> None:
    try:
        close()
    except Exception as error:
        say(f"greenbench: {failure}: {error}")
