"""A meter whose joules are written down, so that a command of no length can be measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from greenbench.cli import watch
from greenbench.energy import Reading, Status, Uncertainty
from greenbench.energy.window import Meter


def measured(energy_j: float | None, boundary: str = "GPU", device: str | None = None, **fields) -> Reading:
    """A measured reading, or an invalid one where there are no joules."""
    status = Status.INVALID if energy_j is None else Status.MEASURED
    fields = {"reason": "the GPU is lost" if energy_j is None else None, "seconds": 10.0, **fields}
    return Reading(energy_j, status, "scripted", device=device or boundary, boundary=boundary, **fields)


class ScriptedMeter(Meter):
    """Gives each window the next readings of a list; an exception in it is raised at that window's end."""

    name = "scripted"

    def __init__(self, windows) -> None:
        super().__init__()
        self.windows = iter(windows)
        self.on_close: Callable[[], None] = lambda: None

    def close(self) -> None:
        super().close()
        self.on_close()

    def _open(self, label: str, trace: bool) -> None:
        return None

    def _close(self, label: str, opened: object, seconds: float) -> tuple[Reading, ...]:
        found = next(self.windows)
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, tuple) else (found,)


@pytest.fixture
def scripted(monkeypatch):
    """Let ``greenbench watch`` measure what the test says, window by window."""

    def script(*windows) -> ScriptedMeter:
        meter = ScriptedMeter(windows)
        monkeypatch.setattr(watch, "open_meter", lambda *_args, **_options: meter)
        return meter

    return script


GAIN = Uncertainty(gain_j=3.0)
