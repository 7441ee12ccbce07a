"""Polls one device and hands each sample to every open window."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.clock import Clock
from greenbench.energy.device import Device, DeviceFault, EdgeState, Sample
from greenbench.energy.patience import Answer

LOOK_S = 1.0
"""Time between two looks at who else uses the device."""

SPARSE_S = 2.0
"""Longest time between two polls of a counter in the middle of a long window."""

EDGE_SHARE = 1 / 600
"""Share of a window's age that may pass between two polls of a counter. The last poll tells when the last tick was;
the error of that is then far below a thousandth of the window."""

READ_SHARE = 1 / 20
"""Share of the time that reading a counter may take: one read takes 2.4 ms of an H100's driver, and as much of a core."""

Listener = Callable[[float, Sample | DeviceFault], None]
"""Takes the time, and what the poll gave."""

Condition = EdgeState | DeviceFault


class Sampler:
    """Samples a device in a fixed period while a window is open.

    All calls to the device are made by one attendant: where the device hangs, its windows are void, and
    nobody else waits.

    Parameters
    ----------
    device
        What to poll.
    clock
        Gives the period.
    period_s
        Time between polls; of a counter, at the start of a window. Then they become fewer. A poll that comes
        late is no error: each sample carries its time.
    """

    def __init__(self, device: Device, clock: Clock, period_s: float) -> None:
        self.device = device
        self.period_s = period_s
        self.listener: Listener | None = None
        """Sees every poll; for recording."""
        self._clock = clock
        self._attendant = clock.attendant()
        self._open: list[Accumulator] = []
        self._look_due_s = 0.0
        self._read_s = 0.0

    def start(self, *, keep: bool) -> tuple[Accumulator, Answer[Condition]]:
        """Begin a window. Return what takes in its samples, and the device's condition at its start."""
        window = Accumulator(self.device.info, keep=keep)
        first = not self._open
        self._open.append(window)

        def begin() -> Condition:
            state = _condition(self.device)
            if first:
                self.device.begin()
                self._look_due_s = self._clock.now() + LOOK_S
            self.poll()
            return state

        answer = self._attendant.post(begin)
        if first:
            self._attendant.repeat(self.period_s, self._round)
        return window, answer

    def finish(self, window: Accumulator) -> Answer[Condition]:
        """Take a window's last sample, and return the device's condition at its end."""

        def end() -> Condition:
            self.poll()
            with suppress(ValueError):  # whoever waited has given up and taken it out
                self._open.remove(window)
            return _condition(self.device)

        return self._attendant.post(end)

    def leave(self, window: Accumulator) -> None:
        """Forget a window, whether or not the device has answered; without one, stop polling."""
        with suppress(ValueError):
            self._open.remove(window)
        if not self._open:
            self._attendant.rest()

    def poll(self) -> None:
        """Sample the device once."""
        seen: Sample | DeviceFault
        try:
            seen = self.device.sample()
        except DeviceFault as fault:
            seen = fault
        except Exception as error:  # a source's own mistake must not end the polls
            seen = DeviceFault(f"reading the device failed: {type(error).__name__}: {error}")
        if isinstance(seen, Sample):
            self._read_s += (seen.end_s - seen.begin_s - self._read_s) / 8  # a mean of the last reads
        for window in tuple(self._open):
            window.add(seen)
        if self.listener is not None:
            self.listener(self._clock.now(), seen)

    def _round(self) -> float:
        """Poll, look at times who else is there, and say when to do it again."""
        self.poll()
        if self._clock.now() >= self._look_due_s:
            self._look_due_s = self._clock.now() + LOOK_S
            with suppress(Exception):  # the edges say what is wrong
                others = self.device.foreign()
                for window in tuple(self._open):
                    window.meet(others)
        return self._pause_s()

    def _pause_s(self) -> float:
        info = self.device.info
        if info.kind != "counter":
            return self.period_s
        young_s = min([SPARSE_S, *(EDGE_SHARE * window.age_s for window in tuple(self._open))])
        affordable_s = min(self._read_s / READ_SHARE, info.tick_s / 2)
        return max(self.period_s, young_s, affordable_s)


def _condition(device: Device) -> Condition:
    try:
        return device.edge()
    except DeviceFault as fault:
        return fault
    except Exception as error:
        return DeviceFault(f"reading the device's condition failed: {type(error).__name__}: {error}")
