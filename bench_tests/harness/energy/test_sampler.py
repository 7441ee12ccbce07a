"""The sampler in real time: it runs only while a window is open, and late polls carry their time."""

from __future__ import annotations

import os
import threading
import time

import pytest

from greenbench.energy import Status
from greenbench.energy.clock import SystemClock, VirtualClock
from greenbench.energy.device import Device, DeviceInfo, Sample
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.nvml.opening import open_nvml


def sampler_threads() -> int:
    return sum(thread.name == "greenbench-sampler" for thread in threading.enumerate())


@pytest.fixture
def real(stub):
    stub.command("clock real")
    return stub


def test_no_thread_runs_outside_a_window(real):
    with open_nvml(lambda: None) as meter:
        before = sampler_threads()  # of another test's drivers that hang, perhaps
        with meter.window("outer"), meter.window("inner"):
            assert sampler_threads() == before + 1
        assert sampler_threads() == before


def test_beside_a_busy_interpreter_the_time_is_still_right(real):
    """A thread beside a loop of pure Python is woken late; the samples' times, not their number, count."""
    with open_nvml(lambda: None) as meter, meter.window("work", trace=True) as window:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            sum(range(1000))
    reading = window.reading
    assert reading.status is Status.MEASURED_SHORT
    assert reading.energy_j == pytest.approx(100.0 * reading.seconds, rel=0.05)


def test_sampling_takes_little_of_a_core(real):
    """A loose bound for shared machines; ``python -m bench_tests.speed`` gives the number."""
    with open_nvml(lambda: None) as meter, meter.window("work"):
        before = time.process_time()
        time.sleep(2.0)
        used = time.process_time() - before
    assert used / 2.0 < 0.02


def test_a_forked_child_of_the_program_does_not_sample(real):
    with open_nvml(lambda: None) as meter, meter.window("work"):
        time.sleep(0.05)
        child = os.fork()
        if child == 0:
            os._exit(0 if threading.active_count() == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_system_clock_calls_in_its_period_until_stopped():
    calls = []
    attendant = SystemClock().attendant()
    attendant.repeat(0.01, lambda: calls.append(1) or 0.01)
    time.sleep(0.15)
    attendant.rest()
    count = len(calls)
    time.sleep(0.05)
    assert 3 <= count == len(calls)


def test_virtual_time_calls_every_period_at_its_time():
    clock = VirtualClock()
    seen = []
    stop = clock.every(0.3, lambda: seen.append(clock.now()))
    clock.sleep(1.0)
    stop()
    clock.sleep(1.0)
    assert seen == pytest.approx([0.3, 0.6, 0.9])
    assert clock.now() == pytest.approx(2.0)


def test_polls_become_fewer_in_a_long_window_and_the_energy_stays_right(stub):
    stub.wave([(0.0, 250.0), (0.25, 180.0)], repeat=0.37)
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        (sampler,) = meter.samplers
        polls: list[float] = []
        sampler.listener = lambda at, _seen: polls.append(at)
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            meter.clock.sleep(600.123)
    true_j = stub.true_energy_j(2.0, 602.123)
    assert window.reading.energy_j == pytest.approx(true_j, rel=5e-4)
    assert window.reading.comparison_uncertainty_j < 2e-3 * true_j
    assert sum(at < 20.0 for at in polls) > 700
    assert sum(300.0 < at < 600.0 for at in polls) < 800


def test_a_counter_that_is_slow_to_read_is_polled_less():
    class Slow(Device):
        info = DeviceInfo("slow", "slow", "test", "counter", 0.1, 0.01)
        polls = 0

        def sample(self) -> Sample:
            self.polls += 1
            begin_s = time.monotonic()
            time.sleep(0.01)
            return Sample(begin_s, time.monotonic(), 10.0 * begin_s)

    device = Slow()
    with DeviceMeter("slow", [device], period_s=0.01) as meter, meter.window("work"):
        time.sleep(1.0)
    assert 8 < device.polls < 40
