"""An external meter of the whole machine, read by a command of the user's: IPMI, a power strip, a smart plug.

``command:'ipmitool dcmi power reading'`` runs the command once a second. The first amount with a unit of
power in what it prints counts: ``123.4 W``, ``0.3 kW``, ``Instantaneous power reading: 210 Watts``.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess

from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import Device, DeviceFault, DeviceInfo, Sample, SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources import Request, Source
from greenbench.energy.window import Meter
from greenbench.errors import UserError

PERIOD_S = 1.0
PATIENCE_S = 4.0
"""How long the command may take; the meter itself waits for somewhat longer."""

GAIN = 0.02
"""Standard uncertainty of the meter's calibration, if it is as good as a common power strip."""

MAX_POWER_W = 20_000.0
MOST_LETTERS = 80

UNITS = {"mw": 1e-3, "w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1e3}
_POWER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(mW|W|kW|[Ww]atts?)\b")


class CommandDevice(Device):
    """The machine, as the command's meter sees it.

    Raises
    ------
    SourceUnavailable
        Where the command cannot be run, fails, or prints no power.
    """

    def __init__(self, command: str, clock: Clock) -> None:
        self._words = shlex.split(command)
        self._clock = clock
        self.info = DeviceInfo(
            name=f"machine ({self._words[0]})",
            uuid=f"command {command}",
            method="command",
            kind="power",
            tick_s=PERIOD_S,
            gain=GAIN,
            power_lag_s=PERIOD_S,
            max_power_w=MAX_POWER_W,
            notes=(f"by an external meter, whose calibration is taken to be good to {2 * GAIN:.0%}",),
            part="machine",
        )
        try:
            self.sample()
        except DeviceFault as fault:
            raise SourceUnavailable(fault.reason, fault.next_step) from fault

    def sample(self) -> Sample:
        """Run the command."""
        begin_s = self._clock.now()
        printed = self._run()
        found = _POWER.search(printed)
        if found is None:
            raise DeviceFault(
                f"the command {self._words[0]!r} printed {printed.strip()[:MOST_LETTERS]!r}, and no power with its unit",
                "let it print for example '123.4 W'",
            )
        return Sample(begin_s, self._clock.now(), None, float(found[1]) * UNITS[found[2].lower()])

    def _run(self) -> str:
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise DeviceFault(
                f"the command {self._words[0]!r} cannot be run: {error.strerror}", "try it in a shell"
            ) from error
        try:
            printed, complaint = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with its children, which hold the pipe open
            process.communicate()
            raise DeviceFault(
                f"the command {self._words[0]!r} took more than {PATIENCE_S:g} s", "try it in a shell"
            ) from None
        if process.returncode:
            said = complaint.strip()[:MOST_LETTERS]
            raise DeviceFault(
                f"the command {self._words[0]!r} failed with exit code {process.returncode}: {said}",
                "try it in a shell",
            )
        return printed


def _check(argument: str) -> None:
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise UserError(f"{argument!r} cannot be read as a command: {error}", "close its quotes") from error
    if not words:
        raise UserError("no command follows", "write for example command:'ipmitool dcmi power reading'")


def _open(request: Request) -> Meter:
    clock = SystemClock()
    device = CommandDevice(request.argument, clock)
    return DeviceMeter("command", [device], synchronize=request.synchronize, clock=clock, period_s=PERIOD_S)


SOURCES = (Source("command", _open, forms=("command:COMMAND",), check=_check, part="machine"),)
