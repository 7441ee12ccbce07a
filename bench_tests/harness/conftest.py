"""A study in a process of its own, at a scale small enough to train within a second."""

import gc
import os
import sys
from pathlib import Path

import pytest

import greenbench
from bench_tests.harness.local_server import Server

TINY_SCALE = """
from dataclasses import replace

from greenbench.spec import scale
from greenbench.study import catalog

smoke = scale.SCALES["smoke"]
scale.SCALES["tiny"] = replace(
    smoke, name="tiny", seeds=1, inference=replace(smoke.inference, passes=3, repeats=2, warmup_s=0.01)
)
discover = catalog.discover

def tiny(workload):
    setting = workload.settings["smoke"]
    network = {**setting.network, "width": 0.0625}
    small = replace(setting, epochs=2, batch_size=5 * setting.batch_size, network=network, floor=None)
    return replace(workload, settings={**workload.settings, "tiny": small})

def with_tiny(files=()):
    found = discover(files)
    workloads = {n: tiny(w) if n in ("digits", "scenes4") else w for n, w in found.workloads.items()}
    return replace(found, workloads=workloads)

catalog.discover = with_tiny
"""

QUICK = ("-p", "no:hypothesispytest")
"""Hypothesis's plugin takes more than a second to import, in every process."""

CASES = Path(__file__).parents[1] / "study"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Run on one thread, here and in new processes: arrays and networks are tiny, and threads would wait for each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        if "torch" not in sys.modules:  # which reads the variable when it is imported
            yield
            return
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _collected_objects_stay():
    """Spare the garbage collector what modules and collection hold: a dry run collects after each network."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def nothing_of_this_machine():
    """Let tests find no calibration and no cache of the machine they run on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GREENBENCH_CACHE", "off")
        patch.setenv("GREENBENCH_CALIBRATION", "/no-such-folder/calibration.json")
        yield


@pytest.fixture
def server(monkeypatch):
    """Serve downloads on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.close()


@pytest.fixture
def clean_environment(monkeypatch, tmp_path):
    """Let processes of the tests see none of this run's settings."""
    for name in ("GREENBENCH_DATA", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    # Studies of tests that run side by side are no neighbors of each other.
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def run_study(pytester, monkeypatch, clean_environment):
    """Return a function that runs a study in a process of its own, one seed of it, at scale ``tiny`` if asked for.

    Its cases run in that process: no other one would know of ``tiny``.
    """
    package_root = Path(greenbench.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(pytester.path), str(package_root)]))
    pytester.makepyfile(tiny_scale=TINY_SCALE)
    for file in CASES.glob("*.py"):
        (pytester.path / file.name).write_text(file.read_text())
    (pytester.path / "__init__.py").unlink()

    def run(*arguments):
        return pytester.runpytest_subprocess(
            "-p",
            "tiny_scale",
            *QUICK,
            "--green-out=out",
            "--green-meter=none",
            "--green-seeds=1",
            "--green-executor=inline",
            *arguments,
        )

    return run
