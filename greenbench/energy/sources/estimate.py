"""Watts that the user gives, times seconds: an estimate, never a measurement."""

from __future__ import annotations

from collections.abc import Callable

from greenbench.energy.clock import Clock
from greenbench.energy.reading import Reading, Status
from greenbench.energy.window import Meter


class EstimateMeter(Meter):
    """Multiply a given power by the measured time. Never chosen by ``auto``."""

    def __init__(
        self, power_w: float, synchronize: Callable[[], None] = lambda: None, clock: Clock | None = None
    ) -> None:
        super().__init__(synchronize, clock)
        self.name = f"estimate {power_w:g} W"
        self._power_w = power_w

    def _open(self, label: str, trace: bool) -> None:
        return None

    def _close(self, label: str, opened: object, seconds: float) -> tuple[Reading, ...]:
        reason = f"estimated: {self._power_w:g} W, as given, times {seconds:.2f} s"
        return (Reading(self._power_w * seconds, Status.ESTIMATED, "estimate", seconds, reason),)
