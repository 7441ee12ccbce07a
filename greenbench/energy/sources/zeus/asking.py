"""The library's answers, and what is the same for all its devices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from greenbench.energy.device import Contention, Device, DeviceFault, EdgeState

MILLI = 1e-3
MOST_LETTERS = 160

UNKNOWN = Contention("unknown", ("zeus does not tell who uses the device",))


def ask(what: str, call: Callable[[], Any]) -> Any:
    """Return the library's answer; `DeviceFault` with the call's name where it raises."""
    try:
        return call()
    except Exception as error:
        said = " ".join(str(error).split())[:MOST_LETTERS]
        raise DeviceFault(f"zeus: {what} failed: {type(error).__name__}: {said}") from error


def amount(what: str, value: object) -> float:
    """Return thousandths of a unit in units; `DeviceFault` where that is no amount."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise DeviceFault(f"zeus: {what} gave {value!r}, and no amount of 0 or more")
    return value * MILLI


def notes_of(version: str, gain: float) -> tuple[str, ...]:
    """Return the notes of every reading."""
    return (
        f"by zeus {version}; greenbench never met this device",
        f"its calibration is not published: {2 * gain:.0%} (95 %) is assumed",
    )


class ZeusDevice(Device):
    """A device of the library's.

    Attributes
    ----------
    period_s
        Time between polls.
    shared
        Whether other programs use it unseen. On a CPU there are always others.
    """

    period_s: float
    shared = True

    def next_s(self, now: float) -> float:
        """Return the next poll: these counters keep no pace that could be predicted."""
        return now + self.period_s

    def foreign(self) -> Contention:
        """Say that it is unknown."""
        return UNKNOWN if self.shared else Contention("none")

    def edge(self) -> EdgeState:
        """Return what is known of the device's condition."""
        others = self.foreign()
        return EdgeState(self.info.uuid, contention=others.state, processes=others.processes)
