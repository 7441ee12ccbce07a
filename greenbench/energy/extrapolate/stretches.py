"""Long work measured by windows of a minute: a fault in one of them does not reach the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from greenbench.energy.reading import Reading
from greenbench.energy.window import Meter, Window

WINDOW_S = 60.0
"""A window ends with the first step after this long."""


class Stretches:
    """Measures work between `begin` and `end` by windows in a row.

    Parameters
    ----------
    meter
        Opens the windows.
    name
        Of the work.
    readings
        Of earlier windows of the same work, such as before an interruption.
    """

    def __init__(self, meter: Meter, name: str, readings: Sequence[Reading] = ()) -> None:
        self._meter = meter
        self._name = name
        self._stack = ExitStack()
        self._window: Window | None = None
        self._start_s = 0.0
        self.readings = list(readings)
        """Of the windows that are over."""

    def begin(self) -> None:
        """Open a window."""
        self._window = self._stack.enter_context(self._meter.window(self._name))
        self._start_s = self._meter.clock.now()

    def step_done(self) -> None:
        """Go on with a new window where this one is long enough."""
        if self._window is not None and self._meter.clock.now() - self._start_s >= WINDOW_S:
            self.end()
            self.begin()

    def end(self) -> None:
        """Close the window, if one is open."""
        if self._window is not None:
            window, self._window = self._window, None
            self._stack.close()
            self.readings.append(window.reading)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure what is done inside."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Measure nothing of what is done inside, where a window is open."""
        was_open = self._window is not None
        self.end()
        yield
        if was_open:
            self.begin()
