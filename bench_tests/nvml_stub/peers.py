"""One meter on the stub, as its users call it: ``python -m bench_tests.nvml_stub.peers METER JOB``.

A child process of the comparison in `bench_tests.speed.meters`, since a meter's library is loaded once per
process and some meters read the machine at import. JOB is JSON; the answer is one line of JSON.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from bench_tests.nvml_stub import wave_line

IDLE_W = 40.0
COUNTER_START_J = 1000.0
"""What the stub's counter shows at the scenario's begin."""


@dataclass
class Remarks(logging.Handler):
    """Collects every warning that a meter gives, as logging or as a warning."""

    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.WARNING)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take in a log record."""
        self.texts.append(record.getMessage())


REMARKS = Remarks()


class Peer:
    """How a meter is used; this one measures nothing."""

    def __init__(self, devices: str) -> None:
        """Start the meter; `devices` (``first`` or ``all``) is for one that must be told what to measure."""

    def begin(self) -> None:
        """Open a window."""

    def end(self) -> None:
        """Close it."""

    def answer(self) -> tuple[float | None, str]:
        """Return the joules of the window just closed (None: no number) and what the meter says beside it."""
        return None, ""

    def finish(self) -> None:
        """Let the meter go."""


class Greenbench(Peer):
    """Ours, with the defaults of a run."""

    def __init__(self, devices: str) -> None:
        from greenbench.energy import open_meter

        self._meter = open_meter("auto", devices=devices, busy="fail")
        self._stack = ExitStack()

    def begin(self) -> None:
        self._window = self._stack.enter_context(self._meter.window("work"))

    def end(self) -> None:
        self._stack.close()

    def answer(self) -> tuple[float | None, str]:
        reading = self._window.reading
        said = "; ".join([str(reading.status), *filter(None, (reading.reason, *reading.notes))])
        return reading.energy_j, said

    def finish(self) -> None:
        self._meter.close()


class Zeus(Peer):
    """Zeus, with its defaults but for the synchronization by torch."""

    def __init__(self, devices: str) -> None:
        from zeus.monitor import ZeusMonitor

        self._monitor = ZeusMonitor()

    def begin(self) -> None:
        self._monitor.begin_window("work", sync_execution=False)

    def end(self) -> None:
        self._result = self._monitor.end_window("work", sync_execution=False)

    def answer(self) -> tuple[float | None, str]:
        energies_j = self._result.gpu_energy
        return (sum(energies_j.values()) if energies_j else None), ""


class CodeCarbon(Peer):
    """CodeCarbon's tasks, polled every second; the energy is that of the GPUs alone."""

    def __init__(self, devices: str) -> None:
        from codecarbon import OfflineEmissionsTracker

        self._tracker = OfflineEmissionsTracker(
            country_iso_code="USA", save_to_file=False, measure_power_secs=1, log_level="warning",
            allow_multiple_runs=True,
        )  # fmt: skip
        logging.getLogger("codecarbon").addHandler(REMARKS)
        self._tracker.start_task("first")  # looks at the machine once, for a second or more
        self._tracker.stop_task()

    def begin(self) -> None:
        self._tracker.start_task()

    def end(self) -> None:
        self._result = self._tracker.stop_task()

    def answer(self) -> tuple[float | None, str]:
        return 3.6e6 * self._result.gpu_energy, ""

    def finish(self) -> None:
        self._tracker.stop()


class Carbontracker(Peer):
    """An epoch of carbontracker is a window; its own parser of its log gives the energy of the GPUs."""

    def __init__(self, devices: str) -> None:
        from carbontracker.tracker import CarbonTracker

        self._folder = tempfile.mkdtemp()
        self._tracker = CarbonTracker(epochs=1000, log_dir=self._folder)
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("carbontracker.") and name.endswith(".err"):
                logging.getLogger(name).addHandler(REMARKS)
        time.sleep(1.0)  # its thread looks for the devices

    def begin(self) -> None:
        self._tracker.epoch_start()

    def end(self) -> None:
        self._tracker.epoch_end()

    def answer(self) -> tuple[float | None, str]:
        from carbontracker import parser

        energies_j = parser.parse_logs(self._folder).get("gpu", {}).get("avg_energy_usages (J)")
        return (None if energies_j is None else float(energies_j[-1].sum())), ""

    def finish(self) -> None:
        self._tracker.stop()


METERS: dict[str, type[Peer]] = {
    "floor": Peer,
    "greenbench": Greenbench,
    "zeus": Zeus,
    "codecarbon": CodeCarbon,
    "carbontracker": Carbontracker,
}


class Moment(float):
    """A time in a scenario's line: ``{soon:1.5}`` is 1.5 s after ``{soon}``."""

    def __format__(self, later: str) -> str:
        return repr(float(self) + float(later or 0.0))


class Scene:
    """The stub as this process has it loaded: its time, its truth, and what is yet to happen."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libnvidia-ml.so.1")
        self._library.stub_now.restype = ctypes.c_double
        self._library.stub_energy.restype = ctypes.c_double
        self._library.stub_energy.argtypes = (ctypes.c_int, ctypes.c_double)
        self._points: list[tuple[float, float]] = [(0.0, IDLE_W)]

    @property
    def now(self) -> float:
        return float(self._library.stub_now())

    def energy_j(self, start: float, end: float, *gpus: int) -> float:
        return float(
            sum(self._library.stub_energy(g, end) - self._library.stub_energy(g, start) for g in gpus)
        )

    def command(self, line: str) -> None:
        assert self._library.stub_command(line.encode()) == 0, line

    def load(self, kind: str, start: float, seconds: float) -> None:
        """Put a load into the future: what was drawn before stays as it was."""
        steps = {"steps": (0.13, 0.12, 250.0, 180.0), "square": (0.37, 0.15, 280.0, 70.0)}
        if kind == "constant":
            self._points.append((start, 200.0))
        else:
            period, busy, high_w, low_w = steps[kind]
            at = start
            while at < start + seconds:
                self._points += [(at, high_w), (at + busy, low_w)]
                at += period
            self._points = [point for point in self._points if point[0] < start + seconds]
        self._points.append((start + seconds, IDLE_W))
        self.command(wave_line(self._points))


def one_fault(meter: str, job: dict[str, Any]) -> dict[str, Any]:
    """Measure one window, in which the job's lines come true."""
    peer = METERS[meter](job["devices"])
    peer.begin()
    scene = Scene() if job["library"] else None
    start = scene.now if scene else 0.0
    middle = start + job["seconds"] / 2
    for line in job["then"]:
        assert scene is not None
        held_mj, held_soon_mj = (
            1e3 * (COUNTER_START_J + scene.energy_j(0.0, at, job["gpus"][0])) for at in (start, middle)
        )
        scene.command(
            line.format(now=Moment(start), soon=Moment(middle), held=held_mj, held_soon=held_soon_mj)
        )
    if job["stopped_s"]:
        _stop_later((job["seconds"] - job["stopped_s"]) / 2, job["stopped_s"])
    time.sleep(job["seconds"])
    stop = scene.now if scene else 0.0
    peer.end()
    energy_j, said = peer.answer()
    true_j = scene.energy_j(start, stop, *job["gpus"]) if scene else None
    peer.finish()
    return {"energy_j": energy_j, "said": said, "true_j": true_j}


def _stop_later(after_s: float, seconds: float) -> None:
    """Let another process stop this one for a while."""
    me = os.getpid()
    script = f"sleep {after_s}; kill -STOP {me}; sleep {seconds}; kill -CONT {me}"
    nowhere = subprocess.DEVNULL
    subprocess.Popen(["sh", "-c", script], stdin=nowhere, stdout=nowhere, stderr=nowhere)


def accuracy(meter: str, job: dict[str, Any]) -> dict[str, Any]:
    """Measure several windows of one load, which begins and ends with the window."""
    peer = METERS[meter]("first")
    scene = Scene()
    generator = random.Random(job["seed"])
    errors = []
    for _ in range(job["windows"]):
        start = scene.now + 0.15 + generator.uniform(0.0, 0.1)
        seconds = job["seconds"] * generator.uniform(0.8, 1.2)
        scene.load(job["load"], start, seconds)
        time.sleep(max(0.0, start - 0.004 - scene.now))
        peer.begin()
        first = scene.now
        time.sleep(max(0.0, start + seconds - scene.now))
        last = scene.now
        peer.end()
        energy_j, _ = peer.answer()
        true_j = scene.energy_j(first, last, 0)
        errors.append(None if energy_j is None else energy_j / true_j - 1)
    return {"errors": errors}


def load(meter: str, job: dict[str, Any]) -> dict[str, Any]:
    """CPU time per second of an open window that sleeps, when it is young and when it is old."""
    peer = METERS[meter]("first")
    peer.begin()
    peer.end()
    peer.begin()
    begun = time.monotonic()
    young = _least_share(1.5)
    time.sleep(job["old_s"] - (time.monotonic() - begun))
    old = _least_share(5.0)
    peer.end()
    peer.finish()
    return {"young": young, "old": old}


def _least_share(seconds: float) -> float:
    """Return the share of a core over such a time: the least of three, as a shared machine only ever adds."""
    shares = []
    for _ in range(3):
        cpu_s, wall_s = time.process_time(), time.monotonic()
        time.sleep(seconds)
        shares.append((time.process_time() - cpu_s) / (time.monotonic() - wall_s))
    return min(shares)


def edges(meter: str, job: dict[str, Any]) -> dict[str, Any]:
    """Return the time that the two edges of a window take: the median of many."""
    peer = METERS[meter]("first")
    both = []
    for _ in range(job["windows"]):
        at = time.perf_counter()
        peer.begin()
        between = time.perf_counter()
        time.sleep(0.01)
        closing = time.perf_counter()
        peer.end()
        both.append(between - at + time.perf_counter() - closing)
    peer.finish()
    return {"edges_s": sorted(both)[len(both) // 2]}


JOBS = {"fault": one_fault, "accuracy": accuracy, "load": load, "edges": edges}


def main() -> None:
    """Do the job and print the answer."""
    meter, job = sys.argv[1], json.loads(sys.argv[2])
    logging.basicConfig(level=logging.WARNING, handlers=[REMARKS])
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            answer = JOBS[job["kind"]](meter, job)
        except Exception as error:
            answer = {"raised": f"{type(error).__name__}: {error}"}
    remarks = [*REMARKS.texts, *(str(warning.message) for warning in given)]
    words = ("nvml", "gpu ", "gpu's", "energy counter", "power usage", "driver", "measurement", "inaccurate")
    answer["warnings"] = [text for text in remarks if any(word in text.lower() for word in words)]
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
