"""Several meters as one: what they measure, in one window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

from greenbench.energy.clock import Clock
from greenbench.energy.device import DeviceFault
from greenbench.energy.reading import Reading, Status
from greenbench.energy.window import Meter, Window

Opened = list[tuple[AbstractContextManager[Window], Window] | DeviceFault]


class MeterGroup(Meter):
    """Opens a window on each of its meters. What fails in one is that one's reading alone.

    Parameters
    ----------
    meters
        The one that measures the work's own device comes first: without its energy there is no sum.
    """

    def __init__(
        self,
        meters: Sequence[Meter],
        synchronize: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(synchronize, clock)
        self.meters = tuple(meters)
        self.name = "+".join(meter.name for meter in meters if meter.name != "none") or "none"

    @property
    def shared(self) -> str:
        """That of all."""
        return ", ".join(dict.fromkeys(meter.shared for meter in self.meters if meter.shared))

    def close(self) -> None:
        """Close all."""
        if not self.closed:
            super().close()
            for meter in self.meters:
                with suppress(Exception):  # one that cannot be closed must not keep the others open
                    meter.close()

    def _open(self, label: str, trace: bool) -> Opened:
        opened: Opened = []
        for meter in self.meters:
            manager = meter.window(label, trace=trace)
            try:
                opened.append((manager, manager.__enter__()))
            except Exception as error:
                opened.append(_fault(meter, error))
        return opened

    def _close(self, label: str, opened: object, seconds: float) -> tuple[Reading, ...]:
        assert isinstance(opened, list)
        readings: list[Reading] = []
        # Those that were opened last are closed first, so that all see the same stretch of work.
        for meter, entry in reversed(list(zip(self.meters, opened, strict=True))):
            readings[:0] = _readings(meter, entry, seconds)
        return tuple(readings)


def _readings(
    meter: Meter, entry: tuple[AbstractContextManager[Window], Window] | DeviceFault, seconds: float
) -> tuple[Reading, ...]:
    if not isinstance(entry, DeviceFault):
        manager, window = entry
        try:
            manager.__exit__(None, None, None)
            return window.readings
        except Exception as error:
            entry = _fault(meter, error)
    return (Reading(None, Status.INVALID, meter.name, seconds, entry.reason, entry.next_step),)


def _fault(meter: Meter, error: Exception) -> DeviceFault:
    return DeviceFault(f"the meter {meter.name} failed: {type(error).__name__}: {error}")
