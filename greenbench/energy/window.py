"""A measured stretch of work: the window, its reading, and what a meter must offer.

Every source of energy figures is a `Meter`. A caller opens a window, works, and reads::

    with meter.window("training") as window:
        work()
    window.reading.energy_j  # joules, or None with window.reading.reason
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum


class Status(StrEnum):
    """How far a reading can be trusted."""

    MEASURED = "measured"
    MEASURED_SHORT = "measured-short"
    ESTIMATED = "estimated"
    NOT_MEASURED = "not-measured"
    INVALID = "invalid"

    @property
    def has_value(self) -> bool:
        """Whether a reading of this status carries a number."""
        return self not in (Status.NOT_MEASURED, Status.INVALID)


@dataclass(frozen=True)
class Reading:
    """What a window found: joules over seconds, or the reason why there is no figure.

    Attributes
    ----------
    energy_j
        Gross energy in joules; None exactly where `status` carries no value. Never 0 for "unknown".
    status
        See `Status`.
    method
        How the figure came about, e.g. ``nvml-counter``; ``none`` without a meter.
    seconds
        Length of the window on a monotonic clock.
    reason
        Why there is no figure, or what limits it; required where `energy_j` is None.
    """

    energy_j: float | None
    status: Status
    method: str
    seconds: float
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.energy_j is not None) != self.status.has_value:
            raise ValueError(f"a reading with status {self.status} cannot have energy_j={self.energy_j}")
        if self.energy_j is None and not self.reason:
            raise ValueError("a reading without a figure needs the reason")

    def scaled(self, factor: float) -> Reading:
        """Return the reading of `factor` times as much of the same work."""
        energy_j = None if self.energy_j is None else self.energy_j * factor
        return replace(self, energy_j=energy_j, seconds=self.seconds * factor)


def total(readings: Sequence[Reading]) -> Reading:
    """Add up readings of consecutive windows; one without a figure leaves the sum without one."""
    if not readings:
        return Reading(None, Status.NOT_MEASURED, "none", 0.0, "no window was measured")
    seconds = sum(reading.seconds for reading in readings)
    worst = max(readings, key=lambda reading: list(Status).index(reading.status))
    if worst.energy_j is None:
        return replace(worst, seconds=seconds)
    energy_j = sum(reading.energy_j or 0.0 for reading in readings)
    return replace(worst, energy_j=energy_j, seconds=seconds)


class Window:
    """One open or finished window of a meter; `reading` is there once it is closed."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._reading: Reading | None = None

    @property
    def reading(self) -> Reading:
        """The finished reading; `RuntimeError` while the window is still open."""
        if self._reading is None:
            raise RuntimeError(f"window {self.label!r} is still open: read it after its with-block")
        return self._reading


class Meter(ABC):
    """A source of energy figures. Subclasses say what a window's edges read."""

    name: str
    """The source's name, as in ``--green-meter``."""

    def __init__(self, synchronize: Callable[[], None] = lambda: None) -> None:
        """Take the function that waits until the device has finished all queued work."""
        self._synchronize = synchronize

    @contextmanager
    def window(self, label: str) -> Iterator[Window]:
        """Measure the body of a with-statement. Both edges wait for the device. Windows nest."""
        window = Window(label)
        self._synchronize()
        opened = self._open()
        start = time.monotonic()
        try:
            yield window
        finally:
            self._synchronize()
            window._reading = self._close(opened, time.monotonic() - start)

    @abstractmethod
    def _open(self) -> object:
        """Read the source at the start of a window."""

    @abstractmethod
    def _close(self, opened: object, seconds: float) -> Reading:
        """Read the source at the end of a window, given what `_open` returned."""
