"""A window, which is a measured stretch of work, and what a meter must offer.

A caller opens a window, works, and reads::

    with open_meter() as meter:
        with meter.window("training") as window:
            work()
    window.reading.energy_j  # joules, or None with window.reading.reason

What happens at the two edges::

    wait for the device, condition, first sample | work, wait for the device | last sample, condition
                                               start                        end
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.idle import Idle
from greenbench.energy.reading import Reading, Status
from greenbench.energy.sums import together

IDLE_SECONDS = 5.0


class Window:
    """One open or finished window of a meter; `reading` is there once it is closed."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._readings: tuple[Reading, ...] = ()

    @property
    def reading(self) -> Reading:
        """The finished reading, all devices together; `RuntimeError` while the window is still open."""
        return together(self.readings)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """One reading per measured device."""
        if not self._readings:
            raise RuntimeError(f"window {self.label!r} is still open: read it after its with-block")
        return self._readings


class Meter(ABC):
    """Measures windows. Subclasses say what to read at a window's edges."""

    name: str
    """What measures: ``nvml-counter``, ``nvml-power``, ``paper``, ``rapl``, ``replay FILE``,
    ``estimate 65 W`` or ``none``. Equal for equal sources on one machine; a record stores it."""

    def __init__(self, synchronize: Callable[[], None] = lambda: None, clock: Clock | None = None) -> None:
        """Take the function that waits until the device has finished all queued work."""
        self.synchronize = synchronize
        self.clock = clock or SystemClock()
        self.closed = False

    @property
    def shared(self) -> str:
        """What it measures that several processes would share, as `DeviceInfo.part` names it; empty for a GPU or nothing."""
        return ""

    @contextmanager
    def window(self, label: str, *, trace: bool = False) -> Iterator[Window]:
        """Measure the body of a with-statement. Both edges wait for the device. Windows nest.

        With `trace` the reading carries every sample.
        """
        if self.closed:
            raise RuntimeError(f"window {label!r}: the meter is closed")
        window = Window(label)
        self.synchronize()
        opened = self._open(label, trace)
        start = self.clock.now()
        try:
            yield window
        finally:
            try:
                self.synchronize()
            finally:
                window._readings = self._close(label, opened, self.clock.now() - start)

    def idle(self, seconds: float = IDLE_SECONDS) -> Idle:
        """Measure the power of the devices while nothing runs on them.

        Call it before and after the work, with the context open and the model loaded, and give both
        to `Reading.net_of`.
        """
        with self.window("idle") as window:
            self.clock.sleep(seconds)
        return _idle_from(window.reading)

    def close(self) -> None:
        """Let go of devices and locks; no window can be opened after that."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _open(self, label: str, trace: bool) -> object:
        """Read the source at the start of a window."""

    @abstractmethod
    def _close(self, label: str, opened: object, seconds: float) -> tuple[Reading, ...]:
        """Read the source at the end of a window, given what `_open` returned."""


def _idle_from(reading: Reading) -> Idle:
    """Turn the reading of an idle window into idle power."""
    power_w = reading.mean_power_w
    if power_w is None or reading.status is Status.ESTIMATED:
        return Idle(None, None, reading.seconds, reading.reason or "idle power was not measured")
    half_width_j = reading.comparison_uncertainty_j
    spread_w = None if half_width_j is None else half_width_j / reading.seconds
    return Idle(power_w, spread_w, reading.seconds)
