"""The meter of a machine that has none: every window says why there is no energy."""

from __future__ import annotations

from collections.abc import Callable

from greenbench.energy.idle import Idle
from greenbench.energy.reading import Reading, Status
from greenbench.energy.sources import Request, Source
from greenbench.energy.window import Meter


class NoMeter(Meter):
    """Measure time alone."""

    name = "none"

    def __init__(
        self,
        reason: str,
        next_step: str | None = None,
        part: str | None = None,
        synchronize: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(synchronize)
        self.reason = reason
        self.next_step = next_step
        self._part = part

    def idle(self, seconds: float = 0.0) -> Idle:
        """Return at once: there is nothing to wait for."""
        return Idle(None, None, 0.0, self.reason)

    def _open(self, label: str, trace: bool) -> None:
        return None

    def _close(self, label: str, opened: object, seconds: float) -> tuple[Reading, ...]:
        return (
            Reading(
                None,
                Status.NOT_MEASURED,
                "none",
                seconds,
                self.reason,
                self.next_step,
                device=self._part,
                boundary=self._part,
            ),
        )


def _open(request: Request) -> Meter:
    return NoMeter("no meter was asked for (meter none)", synchronize=request.synchronize)


SOURCES = (Source("none", _open),)
