"""Traces of a meter: recorded from any live source, and played back as a source of their own.

A trace is a file of JSON lines: a header, then samples and edges of windows in order of time. It holds
all that a reading is computed from. So a reading can be checked on another machine, and a new method tried
on old measurements.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from greenbench.energy.calibration.store import Entry, from_json
from greenbench.energy.clock import Clock, SystemClock, VirtualClock
from greenbench.energy.device import Device, DeviceFault, DeviceInfo, EdgeState, Sample
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.reading import Reading
from greenbench.energy.sources import Source
from greenbench.energy.window import Window
from greenbench.errors import UserError

FORMAT = "greenbench-trace"
VERSION = 1


class Recorder:
    """Writes what a meter sees into a trace file, from now until it is closed.

    Raises
    ------
    UserError
        Where the file cannot be opened.
    """

    def __init__(self, meter: DeviceMeter, path: Path) -> None:
        self._meter = meter
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"the trace {path} cannot be written: {error.strerror}", "name a file in a folder of your own"
            ) from error
        self._guard = threading.Lock()  # every device is polled by a thread of its own
        self._problem: OSError | None = None
        self._write(
            {
                "format": FORMAT,
                "version": VERSION,
                "source": meter.name,
                "period_s": meter.period_s,
                "devices": [asdict(device.info) for device in meter.devices],
                "calibrations": {
                    uuid: asdict(meter.calibrations[uuid])
                    for device in meter.devices
                    if (uuid := device.info.uuid) in meter.calibrations
                },
            }
        )
        for position, sampler in enumerate(meter.samplers):
            sampler.listener = partial(self._sample, position)
        meter.edge_listener = self._edge

    def close(self) -> None:
        """Finish the file; `OSError` where it could not be written, with the first reason."""
        for sampler in self._meter.samplers:
            sampler.listener = None
        self._meter.edge_listener = None
        with self._guard:
            try:
                self._file.close()
            finally:
                if self._problem is not None:
                    raise self._problem

    def _sample(self, position: int, time_s: float, seen: Sample | DeviceFault) -> None:
        self._write({"device": position, "time_s": time_s, **_line_of(seen)})

    def _edge(self, which: str, label: str, time_s: float, states: list[EdgeState | DeviceFault]) -> None:
        shown = [_line_of(state) for state in states]
        self._write({"edge": which, "label": label, "time_s": time_s, "states": shown})

    def _write(self, line: dict[str, Any]) -> None:
        """Write a line. A disk that is full must not end the measurement: `close` says so."""
        with self._guard:
            if self._problem is None:
                try:
                    self._file.write(json.dumps(line) + "\n")
                except OSError as problem:
                    self._problem = problem


def _line_of(seen: Sample | EdgeState | DeviceFault) -> dict[str, Any]:
    if isinstance(seen, DeviceFault):
        return {"fault": seen.reason, "next_step": seen.next_step}
    return {"sample": list(seen)} if isinstance(seen, Sample) else {"state": asdict(seen)}


class Edge(NamedTuple):
    """A recorded edge of a window."""

    which: str
    label: str
    time_s: float


class Trace(NamedTuple):
    """A trace file, read: per device its information, samples and conditions with their times."""

    period_s: float
    infos: list[DeviceInfo]
    samples: list[list[tuple[float, Sample | DeviceFault]]]
    states: list[list[tuple[float, EdgeState | DeviceFault]]]
    edges: list[Edge]
    calibrations: dict[str, Entry]


def read_trace(path: Path) -> Trace:
    """Read a trace file; `UserError` where it is none, or of another version."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        header = lines[0]
        if header["format"] != FORMAT or header["version"] != VERSION:
            raise ValueError(f"it says {header['format']} version {header['version']}")
        infos = [DeviceInfo(**{**info, "notes": tuple(info["notes"])}) for info in header["devices"]]
        calibrations = {uuid: from_json(entry) for uuid, entry in header.get("calibrations", {}).items()}
        trace = Trace(header["period_s"], infos, [[] for _ in infos], [[] for _ in infos], [], calibrations)
        for line in lines[1:]:
            if "edge" in line:
                trace.edges.append(Edge(line["edge"], line["label"], line["time_s"]))
                for states, state in zip(trace.states, line["states"], strict=True):
                    states.append((line["time_s"], _state(state)))
            else:
                seen = _fault(line) if "fault" in line else Sample(*line["sample"])
                trace.samples[line["device"]].append((line["time_s"], seen))
        if not all(trace.samples):
            raise ValueError("a device without samples")
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as a {FORMAT} of version {VERSION} ({error!r})",
            "'greenbench watch --record FILE -- COMMAND' writes one",
        ) from error
    return trace


def _state(line: dict[str, Any]) -> EdgeState | DeviceFault:
    if "fault" in line:
        return _fault(line)
    return EdgeState(**{**line["state"], "processes": tuple(line["state"]["processes"])})


def _fault(line: dict[str, Any]) -> DeviceFault:
    return DeviceFault(line["fault"], line.get("next_step"))


class ReplayDevice(Device):
    """A recorded device: at any time it shows what was last recorded."""

    def __init__(self, trace: Trace, position: int, clock: Clock) -> None:
        self._clock = clock
        self._samples = trace.samples[position]
        self._times = [time_s for time_s, _ in self._samples]
        self._states = trace.states[position]
        self._state_times = [time_s for time_s, _ in self._states]
        self._end_s = self._times[-1] + 2 * trace.period_s
        info = trace.infos[position]
        note = "played back from a recorded trace: not the energy of the work beside it"
        self.info = replace(info, method=f"replay-{info.method}", notes=(*info.notes, note))

    def sample(self) -> Sample:
        """Return the last recorded poll; `DeviceFault` after the trace's end."""
        now = self._clock.now()
        if now > self._end_s:
            raise DeviceFault(f"the recorded trace ends {now - self._times[-1]:.1f} s before")
        _, seen = self._samples[max(0, bisect_right(self._times, now) - 1)]
        if isinstance(seen, DeviceFault):
            raise seen
        return seen

    def next_s(self, now: float) -> float | None:
        """Return the time of the next recorded poll."""
        position = bisect_right(self._times, now)
        return self._times[position] if position < len(self._times) else None

    def edge(self) -> EdgeState:
        """Return the last recorded condition."""
        if not self._states:
            return EdgeState(self.info.uuid)
        _, state = self._states[max(0, bisect_right(self._state_times, self._clock.now()) - 1)]
        if isinstance(state, DeviceFault):
            raise state
        return state


def replay_windows(path: Path) -> list[tuple[str, tuple[Reading, ...]]]:
    """Play a trace back on a virtual clock: the label and the readings of each recorded window.

    Windows come in the order in which they were closed.
    """
    trace = read_trace(path)
    clock = VirtualClock(start=trace.samples[0][0][0])
    meter = _meter(_name(path), trace, clock, lambda: None)
    opened: dict[str, list[tuple[AbstractContextManager[Window], Window]]] = {}
    closed = []
    for edge in trace.edges:
        clock.sleep(max(0.0, edge.time_s - clock.now()))
        if edge.which == "open":
            manager: AbstractContextManager[Window] = meter.window(edge.label)
            opened.setdefault(edge.label, []).append((manager, manager.__enter__()))
        else:
            manager, window = opened[edge.label].pop()
            manager.__exit__(None, None, None)
            closed.append((edge.label, window.readings))
    return closed


def open_replay(path: Path, synchronize: Callable[[], None]) -> DeviceMeter:
    """Open a trace as if it were a live source: its first second is now."""
    trace = read_trace(path)
    return _meter(_name(path), trace, _ShiftedClock(trace.samples[0][0][0]), synchronize)


def _name(path: Path) -> str:
    return f"replay {path.name}"


def _meter(name: str, trace: Trace, clock: Clock, synchronize: Callable[[], None]) -> DeviceMeter:
    devices = [ReplayDevice(trace, position, clock) for position in range(len(trace.infos))]
    return DeviceMeter(
        name,
        devices,
        synchronize=synchronize,
        clock=clock,
        period_s=trace.period_s,
        calibrations=trace.calibrations,
    )


class _ShiftedClock(SystemClock):
    """The machine's clock, set to a given second."""

    def __init__(self, start: float) -> None:
        self._shift = start - super().now()

    def now(self) -> float:
        return super().now() + self._shift


def _check(argument: str) -> None:
    if not Path(argument).is_file():
        raise UserError(f"there is no file {argument!r}", "record one with 'greenbench watch --record'")


SOURCES = (
    Source(
        "replay",
        lambda request: open_replay(Path(request.argument), request.synchronize),
        forms=("replay:FILE",),
        check=_check,
    ),
)
