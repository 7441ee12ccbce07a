"""Monotonic time, and who calls devices in it: the system's, or virtual for tests and replay."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from greenbench.energy.patience import Answer, Attendant, Direct, ThreadAttendant

T = TypeVar("T")


class Clock(ABC):
    """Seconds that never go back."""

    @abstractmethod
    def now(self) -> float:
        """Return seconds since some fixed moment."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""

    @abstractmethod
    def attendant(self) -> Attendant:
        """Return who makes the calls to one device."""

    @property
    def suspended_s(self) -> float:
        """Seconds for which the machine has slept so far; they are not part of `now`."""
        return 0.0


class SystemClock(Clock):
    """The machine's monotonic clock, which no setting of the date moves."""

    def now(self) -> float:
        """Return the system's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def attendant(self) -> Attendant:
        """Return a thread's."""
        return ThreadAttendant()

    @property
    def suspended_s(self) -> float:
        """Return what Linux counts since boot beyond its monotonic clock; 0 on other systems."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return 0.0 if boot is None else time.clock_gettime(boot) - time.clock_gettime(time.CLOCK_MONOTONIC)


class VirtualClock(Clock):
    """Time that passes only by `sleep`: a window of hours takes milliseconds.

    Parameters
    ----------
    moved
        Told the new time after every step, e.g. to set the clock of what is being measured.
    start
        Second to begin with.
    """

    def __init__(self, moved: Callable[[float], None] = lambda _now: None, start: float = 0.0) -> None:
        self._now = start
        self._moved = moved
        self._periodic: list[_Periodic] = []
        self._suspended_s = 0.0

    def now(self) -> float:
        """Return the virtual second."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on, and make every periodic call at its time."""
        end = self._now + seconds
        while self._periodic:
            due = min(self._periodic, key=lambda periodic: periodic.due)
            if due.due > end:
                break
            self._move(due.due)
            due.due += due.call()
        self._move(end)

    def every(self, period_s: float, call: Callable[[], object]) -> Callable[[], None]:
        """Call once per period, from within `sleep`; the returned function ends that."""

        def again() -> float:
            call()
            return period_s

        return self.repeat(period_s, again)

    def repeat(self, after_s: float, call: Callable[[], float]) -> Callable[[], None]:
        """Call after so many seconds, and again after as many as each call returns."""
        periodic = _Periodic(self._now + after_s, call)
        self._periodic.append(periodic)
        return lambda: self._periodic.remove(periodic)

    def attendant(self) -> Attendant:
        """Return one that calls at once."""
        return _AtOnce(self)

    @property
    def suspended_s(self) -> float:
        """Return what `suspend` has let pass."""
        return self._suspended_s

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: time passes that `now` does not see."""
        self._suspended_s += seconds

    def _move(self, now: float) -> None:
        self._now = now
        self._moved(now)


class _Periodic:
    def __init__(self, due: float, call: Callable[[], float]) -> None:
        self.due = due
        self.call = call


class _AtOnce(Attendant):
    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._stop: Callable[[], None] = lambda: None

    def post(self, call: Callable[[], T]) -> Answer[T]:
        return Direct(call)

    def repeat(self, after_s: float, call: Callable[[], float]) -> None:
        self._stop()
        self._stop = self._clock.repeat(after_s, call)

    def rest(self) -> None:
        self._stop()
        self._stop = lambda: None
