"""The sampler in real time: it runs only while a window is open, and late polls carry their time."""

from __future__ import annotations

import os
import threading
import time

import pytest

from greenbench.energy import Status
from greenbench.energy.clock import SystemClock, VirtualClock
from greenbench.energy.sources.nvml import open_nvml


def sampler_threads() -> int:
    return sum(thread.name == "greenbench-sampler" for thread in threading.enumerate())


@pytest.fixture
def real(stub):
    stub.command("clock real")
    return stub


def test_no_thread_runs_outside_a_window(real):
    with open_nvml(lambda: None) as meter:
        assert sampler_threads() == 0
        with meter.window("outer"), meter.window("inner"):
            assert sampler_threads() == 1
        assert sampler_threads() == 0


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
    stop = SystemClock().every(0.01, lambda: calls.append(1))
    time.sleep(0.15)
    stop()
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
