"""Watts that the user gives, times seconds: an estimate, never a measurement."""

from __future__ import annotations

from collections.abc import Callable

from greenbench.energy.clock import Clock
from greenbench.energy.reading import Reading, Status
from greenbench.energy.sources import Request, Source
from greenbench.energy.window import Meter
from greenbench.errors import UserError

MOST_WATTS = 1e5


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


def _watts(argument: str) -> float:
    try:
        watts = float(argument)
    except ValueError:
        watts = 0.0
    if not 0.0 < watts < MOST_WATTS:
        raise UserError(f"{argument!r} is no power in watts", "write for example estimate:65")
    return watts


def _check(argument: str) -> None:
    _watts(argument)


def _open(request: Request) -> Meter:
    return EstimateMeter(_watts(request.argument), request.synchronize)


SOURCES = (Source("estimate", _open, forms=("estimate:WATTS",), check=_check),)
