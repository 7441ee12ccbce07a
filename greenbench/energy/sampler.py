"""Polls one device and hands each sample to every open window."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import suppress

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.clock import Clock
from greenbench.energy.device import Device, DeviceFault, EdgeState, Sample
from greenbench.energy.methods import FINE_TICK_S
from greenbench.energy.pace import Pace
from greenbench.energy.patience import Answer

LOOK_S = 1.0
"""Time between two looks at who else uses the device."""

AGE_SHARE = 1 / 12
"""Share of a window's age that may pass between two polls of a counter in its middle."""

SPARSE_S = 10.0
"""Longest time between two polls of a counter whose ticks can be predicted."""

BLIND_S, BLIND_SHARE = 2.0, 1 / 600
"""The same where they cannot. Then the last poll alone tells when the last tick was; the error of that is far below a
thousandth of the window."""

SEARCHED = 16
"""For so many ticks, polls are dense again where the pace was lost."""

READ_SHARE = 1 / 20
"""Share of the time that reading a counter may take: one read takes 2.4 ms of an H100's driver, and as much of a core."""

POLL_SHARE = 0.4
"""Polls that are this share of a tick apart follow it, somewhat late ones too."""

EARLY_S = 1e-6
"""Times that are rounded may be this much before what they were asked to be."""

SHORTEST_PERIOD_S, USUAL_PERIOD_S = 0.008, 0.020
"""Shortest time between polls, and the one for the usual tick of 100 ms."""

SCATTER = 0.25
"""Pauses are longer or shorter by up to this share. Polls in step with the ticks would meet all at the same point."""

Listener = Callable[[float, Sample | DeviceFault], None]
"""Takes the time, and what the poll gave."""

Condition = EdgeState | DeviceFault


def poll_period(tick_s: float) -> float:
    """Return the time between polls that follow a counter of this update period."""
    return max(SHORTEST_PERIOD_S, min(USUAL_PERIOD_S, POLL_SHARE * tick_s))


class Sampler:
    """Samples a device while a window is open.

    A counter is polled densely at the start of a window. Once its pace is known, most ticks need no poll: see
    `greenbench.energy.pace`.

    All calls to the device are made by one attendant: where the device hangs, its windows are void, and
    nobody else waits.

    Parameters
    ----------
    device
        What to poll.
    clock
        Gives the period.
    period_s
        Time between polls, where nothing better is known. A poll that comes late is no error: each sample carries
        its time.
    """

    def __init__(self, device: Device, clock: Clock, period_s: float) -> None:
        self.device = device
        self.period_s = period_s
        self.listener: Listener | None = None
        """Sees every poll; for recording."""
        self._clock = clock
        self._attendant = clock.attendant()
        self._open: list[Accumulator] = []
        self._poll_due_s = 0.0
        self._look_due_s = 0.0
        self._tick_s = 0.0
        self._lost_s = math.inf
        self._read_s = 0.0
        self._random = random.Random(0)  # the program's own random numbers stay as they are

    def start(self, *, keep: bool) -> tuple[Accumulator, Answer[Condition]]:
        """Begin a window. Return what takes in its samples, and the device's condition at its start."""
        window = Accumulator(self.device.info, keep=keep)
        first = not self._open
        self._open.append(window)

        def begin() -> Condition:
            state = _condition(self.device)
            now = self._clock.now()
            if first:
                self.device.begin()
                self._lost_s = math.inf  # what an earlier window lost is searched for anew
                self._look_due_s = now + LOOK_S
            self.poll()
            self._poll_due_s = now + self.period_s
            return state

        answer = self._attendant.post(begin)
        self._attendant.repeat(self.period_s, self._round)
        return window, answer

    def finish(self, window: Accumulator) -> Answer[Condition]:
        """Take a window's last sample, and return the device's condition at its end."""

        def end() -> Condition:
            self.poll()
            with suppress(ValueError):  # whoever waited has given up and taken it out
                self._open.remove(window)
            until_s = window.unsettled_until()
            if until_s is not None:  # some milliseconds, rarely
                self._clock.sleep(max(0.0, until_s - self._clock.now()))
                window.settle(self._sample())
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
        seen = self._sample()
        if isinstance(seen, Sample):
            self._read_s += (seen.end_s - seen.begin_s - self._read_s) / 8  # a mean of the last reads
        for window in tuple(self._open):
            window.add(seen)

    def _sample(self) -> Sample | DeviceFault:
        seen: Sample | DeviceFault
        try:
            seen = self.device.sample()
        except DeviceFault as fault:
            seen = fault
        except Exception as error:  # a source's own mistake must not end the polls
            seen = DeviceFault(f"reading the device failed: {type(error).__name__}: {error}")
        if self.listener is not None:
            self.listener(seen.end_s if isinstance(seen, Sample) else self._clock.now(), seen)
        return seen

    def _round(self) -> float:
        """Poll, look at times who else is there, and return how long there is nothing to do."""
        now = self._clock.now()
        if now >= self._poll_due_s - EARLY_S:
            self.poll()
            self._poll_due_s = self._next_poll(self._clock.now())
        if now >= self._look_due_s - EARLY_S:
            self._look_due_s = now + LOOK_S
            with suppress(Exception):  # the edges say what is wrong
                others = self.device.foreign()
                for window in tuple(self._open):
                    window.meet(others)
        return min(self._poll_due_s, self._look_due_s) - self._clock.now()

    def _next_poll(self, now: float) -> float:
        info = self.device.info
        windows = tuple(self._open)
        next_s = self.device.next_s(now)
        if next_s is not None:
            return next_s
        if info.kind != "counter" or not windows:
            return now + self.period_s
        age_s = min(window.age_s for window in windows)
        pause_s = min(SPARSE_S, AGE_SHARE * age_s)
        if info.tick_s <= FINE_TICK_S:  # there is no tick to find
            return now + max(self.period_s, pause_s)
        blind_s = 0.0
        if all(window.begun for window in windows):
            due_s = self._around_ticks(windows[0].pace, now, pause_s)
            if due_s is not None:
                self._lost_s = math.inf
                return due_s
            self._lost_s = min(self._lost_s, now)
            if now - self._lost_s > SEARCHED * info.tick_s:
                blind_s = min(BLIND_S, BLIND_SHARE * age_s)
        affordable_s = min(self._read_s / READ_SHARE, POLL_SHARE * info.tick_s)
        usual_s = max(self.period_s, affordable_s, blind_s)
        return now + self._random.uniform(1 - SCATTER, 1 + SCATTER) * usual_s

    def _around_ticks(self, pace: Pace, now: float, pause_s: float) -> float | None:
        """Return the time of the next poll before, at or after a tick; None where the tick cannot be predicted."""
        before_s, after_s = self._tick_s - pace.aside_s, self._tick_s + pace.aside_s
        if now < after_s and pace.latest_s < before_s:
            return self._tick_s if now < self._tick_s else after_s
        tick_s = pace.next_after(max(now + pace.aside_s, self._tick_s + pause_s))
        if tick_s is None:
            return None
        self._tick_s = tick_s
        return tick_s - pace.aside_s


def _condition(device: Device) -> Condition:
    try:
        return device.edge()
    except DeviceFault as fault:
        return fault
    except Exception as error:
        return DeviceFault(f"reading the device's condition failed: {type(error).__name__}: {error}")
