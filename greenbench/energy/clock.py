"""Monotonic time, and periodic calls: the system's, or virtual for tests and replay."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable


class Clock(ABC):
    """Seconds that never go back."""

    @abstractmethod
    def now(self) -> float:
        """Return seconds since some fixed moment."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""

    @abstractmethod
    def every(self, period_s: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call `call` once per period from now on; the returned function ends that."""


class SystemClock(Clock):
    """The machine's monotonic clock; periodic calls come from a daemon thread."""

    def now(self) -> float:
        """Return the system's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def every(self, period_s: float, call: Callable[[], None]) -> Callable[[], None]:
        """Start the thread; stopping waits for a call under way."""
        stopped = threading.Event()

        def loop() -> None:
            while not stopped.wait(period_s):
                call()

        thread = threading.Thread(target=loop, name="greenbench-sampler", daemon=True)
        thread.start()

        def stop() -> None:
            stopped.set()
            # A driver call that hangs must not hang the program that is being measured.
            thread.join(timeout=5.0)

        return stop


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
            due.due += due.period_s
            due.call()
        self._move(end)

    def every(self, period_s: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call from within `sleep`."""
        periodic = _Periodic(self._now + period_s, period_s, call)
        self._periodic.append(periodic)
        return lambda: self._periodic.remove(periodic)

    def _move(self, now: float) -> None:
        self._now = now
        self._moved(now)


class _Periodic:
    def __init__(self, due: float, period_s: float, call: Callable[[], None]) -> None:
        self.due = due
        self.period_s = period_s
        self.call = call
