"""The meter over devices that can be sampled: GPUs, CPU packages, recorded traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.calibration.applied import calibrated
from greenbench.energy.calibration.store import Entry, Stored, stored
from greenbench.energy.clock import Clock
from greenbench.energy.device import Device, DeviceFault, DeviceInfo, EdgeState
from greenbench.energy.gates import judge
from greenbench.energy.patience import DEADLINE_S, Answer
from greenbench.energy.reading import Reading
from greenbench.energy.sampler import USUAL_PERIOD_S, Condition, Sampler
from greenbench.energy.window import Meter

OF_ONE_GPU = ("GPU", "module")
"""Parts of a machine that a process has for itself if it has a GPU for itself."""

MAX_SLEEP_S = 0.5
"""A machine that was suspended for longer has not done the work of the window."""

EdgeListener = Callable[[str, str, float, list[Condition]], None]
"""Takes ``open`` or ``close``, the window's label, the time, and the devices' conditions."""


class DeviceMeter(Meter):
    """Measure one or several devices at once, each on its own.

    Parameters
    ----------
    name
        See `Meter.name`.
    devices
        What is measured.
    synchronize, clock
        See `Meter`.
    period_s
        Time between polls.
    busy
        One of `BUSY_POLICIES`; see `greenbench.energy.gates.judge`.
    notes
        Notes of every reading.
    before_window
        Called before every window, e.g. to wait until the devices are free.
    on_close
        Called once at the end, e.g. to release locks.
    calibrations
        Of the devices, by their UUIDs; those that are stored on this machine if it is None.
    """

    def __init__(
        self,
        name: str,
        devices: Sequence[Device],
        *,
        synchronize: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
        period_s: float = USUAL_PERIOD_S,
        busy: str = "fail",
        notes: tuple[str, ...] = (),
        before_window: Callable[[], None] = lambda: None,
        on_close: Callable[[], None] = lambda: None,
        calibrations: Mapping[str, Entry] | None = None,
    ) -> None:
        super().__init__(synchronize, clock)
        self.name = name
        self.devices = tuple(devices)
        self.samplers = tuple(Sampler(device, self.clock, period_s) for device in self.devices)
        self.period_s = period_s
        self.edge_listener: EdgeListener | None = None
        """Told of every edge; for recording."""
        found = stored() if calibrations is None else Stored(calibrations)
        self.calibrations = found.entries
        dates = {entry.date for device in devices if (entry := found.entries.get(device.info.uuid))}
        if dates:
            self.name += f", calibrated {' and '.join(sorted(dates))}"
        self._busy = busy
        self._notes = (*notes, found.problem) if found.problem else notes
        self._before_window = before_window
        self._on_close = on_close

    @property
    def shared(self) -> str:
        """The parts that are no GPU."""
        parts = dict.fromkeys(device.info.part for device in self.devices)
        return ", ".join(part for part in parts if part not in OF_ONE_GPU)

    def close(self) -> None:
        """Release locks and the driver."""
        if not self.closed:
            super().close()
            self._on_close()

    def _open(self, label: str, trace: bool) -> _Opened:
        self._before_window()
        started = [sampler.start(keep=trace) for sampler in self.samplers]
        states = _answers([condition for _, condition in started])
        self._tell("open", label, self.clock.now(), states)
        return _Opened([window for window, _ in started], states, self.clock.suspended_s)

    def _close(self, label: str, opened: object, seconds: float) -> tuple[Reading, ...]:
        assert isinstance(opened, _Opened)
        slept_s = self.clock.suspended_s - opened.suspended_s
        pairs = list(zip(self.samplers, opened.windows, strict=True))
        states = _answers([sampler.finish(window) for sampler, window in pairs])
        for sampler, window in pairs:
            sampler.leave(window)
        end_s = max((window.last.end_s for window in opened.windows if window.last), default=self.clock.now())
        self._tell("close", label, end_s, states)
        readings = []
        for device, seen, start, end in zip(self.devices, opened.windows, opened.states, states, strict=True):
            if slept_s > MAX_SLEEP_S:
                seen.add(DeviceFault(f"the machine was suspended for {slept_s:.0f} s in the window"))
            for state in (start, end):
                if isinstance(state, DeviceFault):
                    seen.add(state)
            first = start if isinstance(start, EdgeState) else EdgeState(device.info.uuid)
            last = end if isinstance(end, EdgeState) else first

            def judged(
                info: DeviceInfo, seen: Accumulator = seen, first: EdgeState = first, last: EdgeState = last
            ) -> Reading:
                seen.info = info
                return judge(seen, first, last, seconds, self._busy)

            reading = calibrated(judged, device.info, first, self.calibrations.get(device.info.uuid))
            readings.append(replace(reading, notes=reading.notes + self._notes))
        return tuple(readings)

    def _tell(self, which: str, label: str, time_s: float, states: list[Condition]) -> None:
        if self.edge_listener is not None:
            self.edge_listener(which, label, time_s, states)


class _Opened(NamedTuple):
    windows: list[Accumulator]
    states: list[Condition]
    suspended_s: float


def _answers(asked: Sequence[Answer[Condition]]) -> list[Condition]:
    """Wait for all devices, which were asked at once: not longer than for one."""
    answers: list[Condition] = []
    for answer in asked:
        try:
            answers.append(answer.get(DEADLINE_S))
        except DeviceFault as fault:
            answers.append(fault)
    return answers
