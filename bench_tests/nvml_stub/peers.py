"""One meter on the stub, as its users call it: ``python -m bench_tests.nvml_stub.peers METER JOB``.

A child process of the comparison in `bench_tests.speed.meters`, since a meter's library is loaded once per
process and some meters read the machine at import. JOB is JSON; the answer is one line of JSON.
"""

from __future__ import annotations

import ctypes
import json
import logging
import random
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench_tests.nvml_stub import wave_line

IDLE_W = 40.0
COUNTER_START_J = 1000.0
"""What the stub's counter shows at the scenario's begin."""

Begin = Callable[[], None]
End = Callable[[], tuple[float | None, str]]
"""Returns joules (None: no number) and what the meter says beside it."""


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


def greenbench_meter() -> tuple[Begin, End]:
    """Ours, with the defaults of a run."""
    from contextlib import ExitStack

    from greenbench.energy import open_meter

    meter = open_meter("auto", busy="fail")
    stack = ExitStack()
    opened = []

    def begin() -> None:
        opened.append(stack.enter_context(meter.window("work")))

    def end() -> tuple[float | None, str]:
        stack.close()
        reading = opened[-1].reading
        said = "; ".join([str(reading.status), *filter(None, (reading.reason, *reading.notes))])
        return reading.energy_j, said

    return begin, end


def zeus_meter() -> tuple[Begin, End]:
    """Zeus, with its defaults but for the synchronization by torch."""
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()

    def end() -> tuple[float | None, str]:
        result = monitor.end_window("work", sync_execution=False)
        return (sum(result.gpu_energy.values()) if result.gpu_energy else None), ""

    return (lambda: monitor.begin_window("work", sync_execution=False)), end


def codecarbon_meter() -> tuple[Begin, End]:
    """CodeCarbon's tasks, polled every second; the energy is that of the GPUs alone."""
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="USA", save_to_file=False, measure_power_secs=1, log_level="warning",
        allow_multiple_runs=True,
    )  # fmt: skip
    logging.getLogger("codecarbon").addHandler(REMARKS)
    tracker.start_task("first")  # looks at the machine once, for a second or more
    tracker.stop_task()

    def end() -> tuple[float | None, str]:
        return 3.6e6 * tracker.stop_task().gpu_energy, ""

    return (lambda: tracker.start_task()), end


METERS = {"greenbench": greenbench_meter, "zeus": zeus_meter, "codecarbon": codecarbon_meter}
REMARKS = Remarks()
FLOOR = "floor"


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

    def energy_j(self, start: float, end: float, gpu: int) -> float:
        return float(self._library.stub_energy(gpu, end) - self._library.stub_energy(gpu, start))

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
    """Measure one window, in the middle of which the job's lines come true."""
    begin, end = METERS[meter]()
    begin()
    scene = Scene() if job["library"] else None
    start = scene.now if scene else 0.0
    for line in job["then"]:
        assert scene is not None
        held_mj = 1e3 * (COUNTER_START_J + scene.energy_j(0.0, start, job["gpu"]))
        scene.command(line.format(now=start, soon=start + job["seconds"] / 2, held=held_mj))
    time.sleep(job["seconds"])
    stop = scene.now if scene else 0.0
    energy_j, said = end()
    true_j = scene.energy_j(start, stop, job["gpu"]) if scene else None
    return {"energy_j": energy_j, "said": said, "true_j": true_j}


def accuracy(meter: str, job: dict[str, Any]) -> dict[str, Any]:
    """Measure several windows of one load, which begins and ends with the window."""
    begin, end = METERS[meter]()
    scene = Scene()
    generator = random.Random(job["seed"])
    errors = []
    for _ in range(job["windows"]):
        start = scene.now + 0.15 + generator.uniform(0.0, 0.1)
        seconds = job["seconds"] * generator.uniform(0.8, 1.2)
        scene.load(job["load"], start, seconds)
        time.sleep(max(0.0, start - 0.004 - scene.now))
        begin()
        first = scene.now
        time.sleep(max(0.0, start + seconds - scene.now))
        last = scene.now
        energy_j, _ = end()
        true_j = scene.energy_j(first, last, 0)
        errors.append(None if energy_j is None else energy_j / true_j - 1)
    return {"errors": errors}


def cost(meter: str, job: dict[str, Any]) -> dict[str, Any]:
    """CPU time per second of an open window that sleeps, and the time that its two edges take."""
    begin, end = (lambda: None, lambda: (None, "")) if meter == FLOOR else METERS[meter]()
    begin()
    end()
    begin()
    shares = []
    for _ in range(3):  # the least: a shared machine only ever adds
        cpu_s, wall_s = time.process_time(), time.monotonic()
        time.sleep(job["seconds"] / 3)
        shares.append((time.process_time() - cpu_s) / (time.monotonic() - wall_s))
    end()
    edges = []
    for _ in range(20):
        at = time.perf_counter()
        begin()
        between = time.perf_counter()
        time.sleep(0.01)
        closing = time.perf_counter()
        end()
        edges.append(between - at + time.perf_counter() - closing)
    return {"core": min(shares), "edges_s": sorted(edges)[len(edges) // 2]}


def main() -> None:
    """Do the job and print the answer."""
    meter, job = sys.argv[1], json.loads(sys.argv[2])
    logging.basicConfig(level=logging.WARNING, handlers=[REMARKS])
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        try:
            answer = {"fault": one_fault, "accuracy": accuracy, "cost": cost}[job["kind"]](meter, job)
        except Exception as error:
            answer = {"raised": f"{type(error).__name__}: {error}"}
    remarks = [*REMARKS.texts, *(str(warning.message) for warning in given)]
    words = ("nvml", "gpu ", "gpu's", "energy counter", "power usage", "driver")
    answer["warnings"] = [text for text in remarks if any(word in text.lower() for word in words)]
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
