"""GPUs lent to processes: one for each, taken back by the system, refused in words."""

import os
import signal
import subprocess
import sys
import time

import pytest

from greenbench.energy import leases, lock
from greenbench.energy.leases import Lease
from greenbench.errors import UserError

HOLDER = """
import sys, time
from pathlib import Path
from greenbench.energy import lock
lock.lock_folder = lambda: Path(sys.argv[1])
for name, text in zip(sys.argv[2::2], sys.argv[3::2]):
    assert lock.take(Path(sys.argv[1]) / name, text) is not None
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def given_back(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "kept")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    leases.cards.cache_clear()
    yield
    leases.give_back()
    leases.cards.cache_clear()


@pytest.fixture
def two_gpus(stub):
    stub.command("gpus 2")
    return [lease.uuid for lease in leases.leases()]


@pytest.fixture
def elsewhere(lock_folder):
    """Return a function that starts a process which holds lock files, by name with their texts."""
    started = []

    def hold(**files):
        words = [word for name, text in files.items() for word in (name, text)]
        command = [sys.executable, "-c", HOLDER, str(lock_folder), *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline().strip() == "held"
        return process

    yield hold
    for process in started:
        with process:
            process.kill()


def test_a_process_gets_the_first_free_gpu_and_sees_no_other(two_gpus):
    assert leases.lease("run") == two_gpus[0]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == two_gpus[0]
    assert leases.environment() == {"CUDA_VISIBLE_DEVICES": two_gpus[0]}
    assert leases.cards() == tuple(two_gpus), "the run's cards are still known"
    assert leases.lease("run") == two_gpus[0], "it has one already"
    leases.give_back()
    assert leases.environment() == {}


def test_a_gpu_that_another_process_has_is_left_to_it(two_gpus, elsewhere):
    holder = elsewhere(**{f"{two_gpus[0]}.lease": "123 run"})
    assert leases.leases() == [Lease(two_gpus[0], "123", "run"), Lease(two_gpus[1])]
    assert leases.lease("run") == two_gpus[1]
    leases.give_back()
    del os.environ["CUDA_VISIBLE_DEVICES"]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert leases.leases() == [Lease(uuid) for uuid in two_gpus], "the system took it back; the file stays"
    assert (lock.lock_folder() / f"{two_gpus[0]}.lease").exists()
    assert leases.lease("run") == two_gpus[0]


def test_the_file_of_a_dead_machine_takes_nothing(two_gpus):
    lock.lock_folder().mkdir()
    (lock.lock_folder() / f"{two_gpus[0]}.lease").write_text("4711 another run")
    assert leases.leases()[0] == Lease(two_gpus[0])
    assert leases.lease("run") == two_gpus[0]


def test_a_gpu_on_which_somebody_still_measures_is_not_lent(two_gpus, elsewhere):
    elsewhere(**{f"{two_gpus[0]}.lock": "77"})
    assert leases.lease("run") == two_gpus[1]


def test_what_a_killed_process_had_started_is_waited_for(two_gpus, elsewhere, monkeypatch):
    left = elsewhere(**{f"{two_gpus[0]}.lock": "77", f"{two_gpus[1]}.lease": "78 run"})
    monkeypatch.setattr(time, "sleep", lambda _seconds: (left.kill(), left.wait()))
    assert leases.lease("run") in two_gpus


def test_without_a_free_gpu_everybody_who_has_one_is_named(two_gpus, elsewhere, monkeypatch):
    elsewhere(**{f"{two_gpus[0]}.lease": "123 other", f"{two_gpus[1]}.lock": "77"})
    monkeypatch.setattr(leases, "WAIT_S", 0.0)
    with pytest.raises(UserError, match="no GPU is left") as refused:
        leases.lease("run")
    assert f"process 123 has {two_gpus[0]}" in str(refused.value)
    assert f"process 77 measures on {two_gpus[1]}" in str(refused.value)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_more_workers_than_gpus_are_refused_and_a_runs_own_count_as_free(two_gpus, elsewhere):
    leases.require_gpus(2, "run")
    with pytest.raises(UserError, match=r"3 workers need a GPU each, and 2 of 2 .*; use -n 2 or -n auto"):
        leases.require_gpus(3, "run")
    elsewhere(**{f"{two_gpus[0]}.lease": "123 run"})
    leases.require_gpus(2, "run")
    with pytest.raises(UserError, match=rf"1 of 2 .*process 123 has {two_gpus[0]}; use -n 1"):
        leases.require_gpus(2, "another run")
    elsewhere(**{f"{two_gpus[1]}.lease": "124 run"})
    with pytest.raises(UserError, match=r"0 of 2 .*; wait for the end of the other run"):
        leases.require_gpus(1, "another run")


def test_only_visible_gpus_are_lent(two_gpus, monkeypatch):
    leases.cards.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", two_gpus[1])
    assert leases.lease("run") == two_gpus[1]


def test_a_machine_without_a_gpu_shares_its_cpu(stub, monkeypatch):
    stub.command("gpus 0")
    assert leases.lease("run") is None
    leases.require_gpus(64, "run")
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    stub.command("gpus 2")
    leases.cards.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert leases.lease("run") is None, "all are hidden on purpose"


def test_gpus_of_which_it_is_not_known_which_is_meant_are_refused(stub, monkeypatch):
    stub.command("gpus 2")
    stub.command("set 1 name Another")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(UserError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        leases.lease("run")


def test_a_place_for_locks_that_cannot_be_written_is_named(two_gpus, lock_folder):
    lock_folder.write_text("a file")
    with pytest.raises(UserError, match=r"\.lease, by which GPUs are lent, cannot be written"):
        leases.lease("run")
