"""One window of ``greenbench watch``: it measures, it shows, and whatever fails at its end loses nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from greenbench.cli._streams import say
from greenbench.cli._watch_output import LiveLine, as_json, as_text, print_json, reading_line
from greenbench.cli._watched import Attached, Command, Work
from greenbench.energy import Meter, Reading, Status
from greenbench.energy.carbon import CarbonIntensity

LIVE_S = 1.0

Shown = Callable[[tuple[Reading, ...], Reading], None]
"""Takes the readings of the devices, and their sum."""


@dataclass(frozen=True)
class Watch:
    """An open meter, and how what it finds is shown.

    Attributes
    ----------
    meter
        Measures.
    json
        Print JSON lines on standard output instead of text on standard error.
    carbon
        For the CO2; None where nobody asked.
    live
        Renew a line each second, where standard error is a terminal.
    """

    meter: Meter
    json: bool
    carbon: CarbonIntensity | None
    live: bool

    def run(self, command: Command, head: dict[str, Any], name: str = "") -> Reading:
        """Run a command, show its readings, and return their sum; see `show`."""
        with command:
            readings, whole = self._measure(command, None)
            self.show({**head, "exit_code": command.exit_code}, readings, whole, name)
        return whole

    def follow(self, process: Attached, every_s: float | None) -> None:
        """Watch a process to its end, and show what every `every_s` seconds of it took."""
        count = 0

        def interval(readings: tuple[Reading, ...], whole: Reading) -> None:
            nonlocal count
            count += 1
            head = {"pid": process.pid, "interval": count}
            self.show(head, readings, whole, f"interval {count}")

        with process:
            readings, whole = self._measure(process, None if every_s is None else (every_s, interval))
            self.show({"pid": process.pid, "ended": process.ended}, readings, whole)

    def show(
        self, head: dict[str, Any], readings: tuple[Reading, ...], whole: Reading, name: str = ""
    ) -> None:
        """Print a window.

        `head` begins the JSON line. One window of several has a `name`, and as text a single line.
        """
        if self.json:
            print_json({**head, **as_json(readings, whole, self.carbon)}, reading_line(whole))
        elif name:
            say(reading_line(whole, name, remarks=False))
        else:
            for line in as_text(readings, whole, self.carbon):
                say(line)

    def _measure(self, work: Work, every: tuple[float, Shown] | None) -> tuple[tuple[Reading, ...], Reading]:
        live = LiveLine() if self.live and every is None and sys.stderr.isatty() else None
        if live is not None:
            every = (LIVE_S, live.show)
        start = time.monotonic()
        try:
            with self.meter.window("command") as window:
                work.start()
                self._wait(work, every)
            return window.readings, window.reading
        except Exception as error:
            if not work.started:
                raise
            work.wait(None)
            reason = f"the window could not be closed: {error}"
            lost = Reading(None, Status.INVALID, self.meter.name, time.monotonic() - start, reason)
            return (lost,), lost
        finally:
            if live is not None:
                live.clear()

    def _wait(self, work: Work, every: tuple[float, Shown] | None) -> None:
        """Wait for the end, and meanwhile show windows within the window."""
        if every is not None:
            seconds, show = every
            try:
                ended = False
                while not ended:
                    with self.meter.window("interval") as window:
                        ended = work.wait(seconds)
                    show(window.readings, window.reading)
            except Exception as error:
                say(f"greenbench: no more is shown until the end: {error}")
        work.wait(None)
