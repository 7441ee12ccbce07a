"""Stand-ins of NVML (built once per session, under the real pynvml) and zeus; and a place of its own for locks."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bench_tests import nvml_stub
from bench_tests.harness.energy import zeus_stand_in
from bench_tests.nvml_stub import Stub
from greenbench.cli import doctor
from greenbench.energy import lock
from greenbench.energy.doctor import examine_machine
from greenbench.energy.sources import rapl, zeus


@pytest.fixture(scope="session")
def stub_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if nvml_stub.compiler() is None:
        pytest.skip("no C compiler (gcc or cc) to build the NVML stub with")
    return nvml_stub.build(tmp_path_factory.mktemp("nvml_stub"))


@pytest.fixture(scope="session")
def loaded_stub(stub_library: Path) -> Stub:
    return Stub(stub_library)


@pytest.fixture
def stub(loaded_stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    loaded_stub.reset()
    loaded_stub.install()
    yield loaded_stub
    loaded_stub.remove()


@pytest.fixture(autouse=True)
def lock_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "locks"
    monkeypatch.setattr(lock, "lock_folder", lambda: folder)
    return folder


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> zeus_stand_in.World:
    """A machine that the library zeus knows, empty so far."""
    world = zeus_stand_in.World()
    world.install(monkeypatch)
    monkeypatch.setattr(zeus, "SystemClock", lambda: world.clock)
    return world


@pytest.fixture
def run_doctor(stub, capsys, monkeypatch, tmp_path):
    """Run ``greenbench doctor`` on the stub's clock, with a CPU that hides its counters; exit code and output."""
    monkeypatch.setattr(
        doctor, "examine_machine", lambda seconds: examine_machine(seconds, clock=stub.clock())
    )
    monkeypatch.setattr(rapl, "open_rapl", partial(rapl.open_rapl, root=tmp_path))

    def call(*arguments: str) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        doctor.configure(parser)
        code = doctor.run(parser.parse_args(arguments))
        return code, capsys.readouterr().out

    return call
