"""Drivers that hang, samplers that die, machines that sleep: no number, and nobody waits for long."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from bench_tests import nvml_stub
from greenbench.energy import Status, open_meter, patience
from greenbench.energy import meter as meter_module
from greenbench.energy import sampler as sampler_module
from greenbench.energy.device import Device, DeviceFault, DeviceInfo, Sample
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.nvml.opening import open_nvml

FIELDS = "nvmlDeviceGetFieldValues"
NEVER = -2


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(meter_module, "DEADLINE_S", 0.3)


@pytest.fixture
def real(stub):
    """The stub in real time; calls that hang go on when the test is over."""
    stub.command("clock real")
    yield stub
    stub.reset()


class Counting(Device):
    """A source that counts joules at 10 W; `broken` says what goes wrong, if anything."""

    def __init__(self, name: str = "counting", broken=lambda: None) -> None:
        self.info = DeviceInfo(name, name, "test", "counter", 0.001, 0.01, max_power_w=100.0)
        self.broken = broken

    def sample(self) -> Sample:
        self.broken()
        now = time.monotonic()
        return Sample(now, now, 10.0 * now)


def wait() -> None:
    threading.Event().wait()


def test_a_poll_that_never_returns_voids_its_window_and_names_the_call(real, impatient):
    with open_nvml(lambda: None) as meter:
        with meter.window("work") as window:
            real.fault(FIELDS, NEVER)
            time.sleep(0.1)
        assert window.reading.status is Status.INVALID
        assert "nvmlDeviceGetFieldValues did not return within 0.3 s" in window.reading.reason
        assert "dmesg" in window.reading.next_step


def test_a_driver_that_answers_again_is_measured_again(real, impatient):
    with open_nvml(lambda: None) as meter:
        with meter.window("hung") as hung:
            real.fault(FIELDS, NEVER)
            time.sleep(0.1)
        real.reset()
        real.command("clock real")
        with meter.window("work") as window:
            time.sleep(0.4)
    assert hung.reading.status is Status.INVALID
    assert window.reading.energy_j == pytest.approx(100.0 * window.reading.seconds, rel=0.2)


def test_a_driver_that_hangs_when_it_is_closed_changes_nothing(real, monkeypatch):
    monkeypatch.setattr(patience, "CLOSING_S", 0.2)
    real.fault("nvmlShutdown", NEVER)
    with open_nvml(lambda: None) as meter, meter.window("work") as window:
        time.sleep(0.4)
    assert window.reading.energy_j is not None


@pytest.mark.parametrize("call", ["nvmlInitWithFlags", "nvmlDeviceGetName", FIELDS])
def test_a_driver_that_hangs_when_it_is_opened_is_no_meter(real, monkeypatch, call):
    monkeypatch.setattr("greenbench.energy.sources.nvml.opening.OPENING_S", 0.3)
    real.fault(call, NEVER)
    with open_meter("auto") as meter, meter.window("work") as window:
        pass
    assert window.reading.status is Status.NOT_MEASURED
    assert f"{call} did not return within 0.3 s" in window.reading.reason


def test_one_device_that_hangs_does_not_void_another(impatient):
    hung = Counting("hung")
    with DeviceMeter("two", [hung, Counting("good")], period_s=0.01) as meter, meter.window("work") as window:
        time.sleep(0.05)
        hung.broken = wait
        time.sleep(0.1)
    first, second = window.readings
    assert first.status is Status.INVALID
    assert "did not return" in first.reason
    assert second.energy_j == pytest.approx(10.0 * second.seconds, rel=0.1)


def test_a_mistake_in_a_source_is_a_reading_with_its_words():
    device = Counting()
    with DeviceMeter("one", [device], period_s=0.01) as meter, meter.window("work") as window:
        time.sleep(0.03)
        device.broken = lambda: {}["volts"]
        time.sleep(0.03)
        device.broken = lambda: None
    assert window.reading.status is Status.INVALID
    assert "KeyError: 'volts'" in window.reading.reason


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_sampler_that_dies_is_replaced():
    with DeviceMeter("one", [Counting()], period_s=0.01) as meter:
        with meter.window("work") as window:
            thread = meter.samplers[0]._attendant._thread
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
            )
            thread.join(5.0)
            assert not thread.is_alive()
            time.sleep(0.1)
        assert window.reading.energy_j == pytest.approx(10.0 * window.reading.seconds, rel=0.5)


def test_power_that_was_not_read_for_seconds_is_no_energy(stub):
    for call in ("field:83", "nvmlDeviceGetTotalEnergyConsumption"):
        stub.fault(call, 3)
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work") as window:
        meter.clock.sleep(6.0)
        for sampler in meter.samplers:  # as while the program is stopped by a signal
            sampler._attendant.rest()
        meter.clock.sleep(120.0)
    assert window.reading.status is Status.INVALID
    assert "the power was not read for 120" in window.reading.reason


def test_a_counter_goes_on_while_the_program_is_stopped(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work") as window:
        meter.clock.sleep(6.0)
        for sampler in meter.samplers:
            sampler._attendant.rest()
        meter.clock.sleep(120.0)
    assert window.reading.energy_j == pytest.approx(12_600.0, rel=0.01)


def test_a_machine_that_slept_did_not_do_the_work(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work") as window:
        meter.clock.sleep(6.0)
        meter.clock.suspend(3600.0)
    assert window.reading.status is Status.INVALID
    assert window.reading.reason == "the machine was suspended for 3600 s in the window"


def test_a_clock_that_is_set_moves_no_window(stub, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: -1e9)
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work") as window:
        meter.clock.sleep(6.0)
    assert window.reading.energy_j == pytest.approx(600.0, rel=0.01)


def test_a_forked_child_reads_nothing_and_the_parent_goes_on():
    with DeviceMeter("one", [Counting()], period_s=0.01) as meter, meter.window("work") as window:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            seen = meter.window("child")
            with seen as inner:
                pass
            good = inner.reading.energy_j is None and "forked" in inner.reading.reason
            os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        time.sleep(0.05)
    assert window.reading.energy_j == pytest.approx(10.0 * window.reading.seconds, rel=0.1)


def test_a_program_that_replaces_itself_in_a_window_runs_on():
    code = (
        "import os, sys\nfrom greenbench.energy import open_meter\n"
        "with open_meter('estimate:5') as meter, meter.window('work'):\n"
        "    os.execv(sys.executable, [sys.executable, '-c', 'print(42)'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "42\n"


def test_a_leap_between_two_polls_is_above_what_the_device_can_draw():
    device = Counting()
    leap = [0.0]
    sample = device.sample
    device.sample = lambda: (lambda s: s._replace(energy_j=s.energy_j + leap[0]))(sample())
    with DeviceMeter("one", [device], period_s=0.01) as meter, meter.window("work") as window:
        time.sleep(0.05)
        leap[0] = 500.0
    assert window.reading.status is Status.INVALID
    assert "leapt by 500" in window.reading.reason
    assert "above what the device can draw (100 W)" in window.reading.reason


@pytest.mark.parametrize("tick_s", [0.001, 0.005, 0.02, 0.1])
def test_a_counter_that_stops_is_found_at_any_tick(stub, tick_s):
    stub.command(f"set 0 tick {tick_s}")
    stub.wave([(0.0, 40.0), (6.0, 0.0)])
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            meter.clock.sleep(8.0)
    assert window.reading.status is Status.INVALID
    still_s = float(re.fullmatch(r"the energy counter stood still for (.*) s", window.reading.reason)[1])
    assert 3.3 < still_s < 4.3


def test_a_program_that_came_and_went_between_the_edges_is_named(stub):
    stub.command("process 0 1 5 7")
    with open_nvml(lambda: None, clock=stub.clock(), busy="mark") as meter:
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            meter.clock.sleep(8.0)
    assert window.reading.status is Status.ESTIMATED
    assert "shared with process 1 (" in window.reading.reason


def test_a_window_of_days_keeps_as_much_as_one_of_minutes(stub, monkeypatch):
    monkeypatch.setattr(sampler_module, "LOOK_S", 1000.0)
    monkeypatch.setattr(sampler_module, "SPARSE_S", 1000.0)

    def kept(seconds: float) -> int:
        gc.collect()
        with open_nvml(lambda: None, clock=stub.clock()) as meter:
            with meter.window("work") as window:
                meter.clock.sleep(3600.0)
                before = sys.getallocatedblocks()
                meter.clock.sleep(seconds)
                blocks = sys.getallocatedblocks() - before
            assert window.reading.energy_j == pytest.approx(100.0 * (3600.0 + seconds), rel=1e-3)
        return blocks

    assert kept(864_000.0) < kept(3600.0) + 200


@pytest.mark.slow
def test_a_command_is_run_and_its_exit_code_kept_though_the_driver_hangs(stub_library, tmp_path):
    scenario = [f"fault {FIELDS} 0 1.5 1e9 {NEVER}"]
    done = subprocess.run(
        [sys.executable, "-m", "greenbench.cli", "watch", "--meter", "nvml", "--", "sh", "-c", "sleep 2; exit 7"],
        env=nvml_stub.environment(stub_library, scenario, tmp_path),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 7
    assert "did not return within 5 s" in done.stderr


def test_a_fault_is_raised_where_the_answer_is_asked_for():
    def fail() -> None:
        raise DeviceFault("gone")

    attendant = patience.ThreadAttendant()
    with pytest.raises(DeviceFault, match="gone"):
        attendant.post(fail).get()
    attendant.rest()
