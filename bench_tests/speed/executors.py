"""What the executors take beyond the cases themselves: cases of a second each, and workers that are there already."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from greenbench.execute.progress import ProgressCallback
from greenbench.executors.executor import Executor, Inline
from greenbench.executors.process import Processes

NAME = "executors"
CASES, CASE_S = 64, 1.0
MOST = 0.10
"""Of the time of the cases: the target for what an executor takes besides."""

ROOT = Path(__file__).parents[2]
GPUS = 2

XDIST = f"""
import time

import pytest
from bench_tests.speed.executors import CASE_S, case, prepare
from greenbench.executors.process import Processes

@pytest.fixture(scope="session")
def processes():
    made = Processes(prepare)
    made.call(case, 0.0)
    yield made
    made.close()

@pytest.mark.parametrize("number", range({CASES}))
def test_case(processes, number):
    start = time.time()
    processes.call(case, CASE_S)
    with open("{{times}}", "a") as file:
        file.write(f"{{{{start}}}} {{{{time.time()}}}}\\n")
"""


def case(seconds: float, _progress: ProgressCallback) -> None:
    """Take so long."""
    time.sleep(seconds)


def prepare() -> None:
    """Import what cases need."""
    import torchvision  # noqa: F401


def run(_out: Path | None = None) -> list[dict[str, object]]:
    """Return a row for each executor."""
    return [
        _row("inline", 1, lambda: _one_by_one(Inline())),
        _row("process", 1, lambda: _one_by_one(Processes(prepare))),
        _row("process, -n 2", 2, _with_xdist),
        _row("ray, 2 fake GPUs", GPUS, _on_cluster),
    ]


def _row(name: str, at_once: int, measured: Callable[[], float]) -> dict[str, object]:
    least_s = CASES * CASE_S / at_once
    took_s = measured()
    share = took_s / least_s - 1
    return {
        "name": name,
        "cases": CASES,
        "least_s": least_s,
        "took_s": took_s,
        "overhead": f"{100 * share:.1f} %",
        "target": f"at most {100 * MOST:g} %",
        "reached": share <= MOST,
    }


def _one_by_one(executor: Executor) -> float:
    executor.call(case, 0.0)
    start = time.perf_counter()
    for _ in range(CASES):
        executor.call(case, CASE_S)
    took_s = time.perf_counter() - start
    executor.close()
    return took_s


def _with_xdist() -> float:
    """Without the start of the workers."""
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times.txt"
        (Path(folder) / "test_cases.py").write_text(XDIST.format(times=times))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n2",
            "--maxschedchunk=1",
            "-p",
            "no:cacheprovider",
            folder,
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        stamps = [float(word) for word in times.read_text().split()]
        return max(stamps) - min(stamps)


def _on_cluster() -> float:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["PYTHONPATH"] = str(ROOT)
    from ray.cluster_utils import Cluster

    from greenbench.executors.cluster import OnCluster

    facts = {"num_cpus": 4, "num_gpus": GPUS, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=facts)
    executor = OnCluster(cluster.address, "", prepare)
    for number in range(GPUS):
        executor.ahead(f"first {number}", case, CASE_S)
    for number in range(GPUS):
        executor.call(case, name=f"first {number}")
    start = time.perf_counter()
    for number in range(CASES):
        executor.ahead(str(number), case, CASE_S)
    for number in range(CASES):
        executor.call(case, name=str(number))
    took_s = time.perf_counter() - start
    executor.close()
    cluster.shutdown()
    return took_s
