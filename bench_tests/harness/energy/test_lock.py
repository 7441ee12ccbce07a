"""One measuring process per device, by a lock that no crash leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from greenbench.energy import lock
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.errors import UserError

UUID = "GPU-5afe0000-0000-4000-8000-000000000000"

HOLDER = f"""
import sys, time
from pathlib import Path
from greenbench.energy import lock
lock.lock_folder = lambda: Path(sys.argv[1])
print(lock.acquire({UUID!r}), flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(lock_folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock_folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout.readline().strip() == "None"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_kept_out_and_told_who_is_in(holder):
    assert lock.acquire(UUID) == f"process {holder.pid}"


def test_a_killed_process_leaves_no_lock(holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock.acquire(UUID) is None
    lock.release(UUID)


def test_a_child_of_the_holder_does_not_inherit_the_lock(lock_folder):
    assert lock.acquire(UUID) is None
    child = os.fork()
    if child == 0:
        lock._held.clear()
        os._exit(0 if lock.acquire(UUID) is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    lock.release(UUID)


def test_meters_of_one_process_share_the_lock_until_the_last_has_closed(lock_folder):
    assert lock.acquire(UUID) is None
    assert lock.acquire(UUID) is None
    lock.release(UUID)
    assert lock_folder / f"{UUID}.lock" in lock._held
    lock.release(UUID)
    assert not lock._held


def test_other_devices_are_free(holder):
    assert lock.acquire("GPU-another") is None
    lock.release("GPU-another")


def test_a_meter_refuses_a_gpu_that_another_process_measures(stub, holder):
    with pytest.raises(UserError, match=f"process {holder.pid} is measuring on Stub GPU"):
        open_nvml(lambda: None, clock=stub.clock())


def test_a_meter_waits_for_the_gpu(stub, holder):
    clock = stub.clock()
    stop = clock.every(5.0, lambda: (holder.kill(), holder.wait(), time.sleep(0.05)))
    with open_nvml(lambda: None, clock=clock, busy="wait") as meter:
        stop()
        assert clock.now() >= 5.0
        assert meter.devices[0].info.uuid == UUID


def test_a_closed_meter_gives_its_gpu_back(stub):
    with open_nvml(lambda: None, clock=stub.clock()):
        assert lock._held
    assert not lock._held


def test_with_mark_the_readings_say_who_measured_too(stub, holder):
    clock = stub.clock()
    with open_nvml(lambda: None, clock=clock, busy="mark") as meter, meter.window("work") as window:
        clock.sleep(6.0)
    assert f"process {holder.pid} is measuring on" in " ".join(window.reading.notes)


def test_a_folder_that_cannot_be_made_is_a_note_and_no_end(stub, lock_folder):
    lock_folder.write_text("in the way")
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work") as window:
        meter.clock.sleep(6.0)
    assert window.reading.energy_j == pytest.approx(600.0, rel=0.01)
    assert any("no lock could be taken" in note for note in window.reading.notes)


def test_a_folder_that_is_read_only_is_a_note_and_no_end(stub, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(lock, "_open", refuse)
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work") as window:
        meter.clock.sleep(6.0)
    assert any("Read-only file system" in note for note in window.reading.notes)
