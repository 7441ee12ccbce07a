"""Sessions in a folder of their own."""

import pytest
import torch

from bench_tests.harness.execute.small_run import TINY
from bench_tests.harness.study.small_session import CATALOG
from greenbench.energy.carbon import CarbonIntensity
from greenbench.execute.run import Bench
from greenbench.study import runner
from greenbench.study.session import Session, Settings


@pytest.fixture
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def lock_folder(monkeypatch, tmp_path):
    """Keep these sessions and the machine's other runs out of each other's sight."""
    folder = tmp_path / "locks"
    monkeypatch.setattr("greenbench.energy.lock.lock_folder", lambda: folder)
    return folder


@pytest.fixture
def ran(monkeypatch):
    """Return the list of what was run, as technique, kind and seed."""
    cases = []
    run = runner.run

    def noting(case, *arguments):
        cases.append((case.technique, case.kind, case.seed))
        return run(case, *arguments)

    monkeypatch.setattr(runner, "run", noting)
    return cases


@pytest.fixture
def study(tmp_path, lock_folder, _one_thread):
    """Return a function that begins a session in one and the same folder, which the ones before leave to it."""
    names, begun = iter(range(100)), []

    def begin(catalog=CATALOG, *, meter="none", data_root=None, workers=1, session=None, **changes):
        bench = Bench(data_root, meter, session=session or f"session {next(names)}", workers=workers)
        defaults = {"selected": (), "seeds": 1, "resume": False, "out": tmp_path / "out", "scale": TINY}
        carbon = CarbonIntensity(0.4, "here", 2024, "a test")
        for earlier in begun:
            earlier.close()
        begun.append(Session(Settings(catalog=catalog, carbon=carbon, bench=bench, **(defaults | changes))))
        return begun[-1]

    return begin
