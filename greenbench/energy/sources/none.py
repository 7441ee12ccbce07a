"""The meter of a machine without one: every window says why there is no figure."""

from __future__ import annotations

from greenbench.energy.idle import Idle
from greenbench.energy.reading import Reading, Status
from greenbench.energy.window import Meter


class NoMeter(Meter):
    """Measure time alone."""

    name = "none"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def idle(self, seconds: float = 0.0) -> Idle:
        """Return at once: there is nothing to wait for."""
        return Idle(None, None, 0.0, self.reason)

    def _open(self, label: str, trace: bool) -> None:
        return None

    def _close(self, label: str, opened: object, seconds: float) -> tuple[Reading, ...]:
        return (Reading(None, Status.NOT_MEASURED, "none", seconds, self.reason),)
