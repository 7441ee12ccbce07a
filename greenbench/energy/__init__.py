"""Energy meters: windows over measured work, and where their figures come from."""

from __future__ import annotations

from collections.abc import Callable

from greenbench.energy.none import NoMeter
from greenbench.energy.window import Meter, Reading, Status, Window, total
from greenbench.errors import UserError

__all__ = ["SOURCES", "Meter", "Reading", "Status", "Window", "open_meter", "total"]

SOURCES = ("auto", "none", "nvml")


def check_source(source: str) -> str:
    """Return `source` if it names a meter; `UserError` otherwise."""
    if source not in SOURCES:
        raise UserError(f"meter {source!r} is unknown; choose one of {', '.join(SOURCES)}")
    return source


def open_meter(source: str = "auto", synchronize: Callable[[], None] = lambda: None) -> Meter:
    """Open the meter that `source` names; ``auto`` takes NVML where it works.

    Parameters
    ----------
    source
        One of `SOURCES`.
    synchronize
        Waits until the measured device has finished all queued work.

    Raises
    ------
    UserError
        For an unknown source, or for a named one that cannot measure on this machine.
    """
    if check_source(source) == "none":
        return NoMeter("no meter was asked for (meter none)")
    from greenbench.energy.nvml import NvmlMeter, NvmlUnavailable

    try:
        return NvmlMeter(synchronize)
    except NvmlUnavailable as unavailable:
        if source == "nvml":
            raise UserError(
                f"meter 'nvml' cannot measure on this machine: {unavailable}. "
                "Use auto to go on without energy figures"
            ) from unavailable
        return NoMeter(f"no meter on this machine ({unavailable})")
