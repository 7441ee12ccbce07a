"""The meter of a machine without one: every window says why there is no figure."""

from __future__ import annotations

from greenbench.energy.window import Meter, Reading, Status


class NoMeter(Meter):
    """Measure time alone."""

    name = "none"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self._reason = reason

    def _open(self) -> None:
        return None

    def _close(self, opened: object, seconds: float) -> Reading:
        return Reading(None, Status.NOT_MEASURED, "none", seconds, self._reason)
