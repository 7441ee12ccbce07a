"""The sampler in real time: it runs only while a window is open, and late polls carry their time."""

from __future__ import annotations

import os
import random
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
    assert window.reading.energy_j == pytest.approx(true_j, rel=3e-4)
    assert window.reading.comparison_uncertainty_j < 1e-3 * true_j
    assert sum(at < 8.0 for at in polls) > 200
    assert sum(300.0 < at < 600.0 for at in polls) < 120


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


def polls_of(stub, seconds: float, *, before=lambda: None, period_s: float | None = None):
    """Return the times of the polls in a window, its reading, and its true joules."""
    polls: list[float] = []
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        (sampler,) = meter.samplers
        sampler.listener = lambda at, _seen: polls.append(at)
        sampler.period_s = period_s or sampler.period_s
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            before()
            meter.clock.sleep(seconds)
    return polls, window.reading, stub.true_energy_j(2.0, 2.0 + seconds)


@pytest.mark.parametrize("tick_s", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("seconds", [40.03, 123.45, 1000.07])
def test_few_polls_give_the_energy_as_closely_as_many(stub, tick_s, seconds):
    """Dense polls are 2 ms or so off at either end, whatever the window's length."""
    stub.command(f"set 0 tick {tick_s}")
    stub.wave([(0.0, 200.0)])
    polls, reading, true_j = polls_of(stub, seconds)
    assert abs(reading.energy_j - true_j) < 200.0 * 0.006
    assert reading.comparison_uncertainty_j < 200.0 * 0.040
    assert sum(at > 22.0 for at in polls) < 20 + 0.5 * seconds


def test_a_counter_whose_pace_changes_is_followed_anew_or_not_at_all(stub):
    stub.wave([(0.0, 200.0)])
    clock_times: list[float] = []
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        (sampler,) = meter.samplers
        meter.clock.sleep(2.0 - stub.now)
        with meter.window("work") as window:
            meter.clock.sleep(30.0)
            stub.command("set 0 tick 0.0873")
            meter.clock.sleep(60.017)
            sampler.listener = lambda at, _seen: clock_times.append(at)
            meter.clock.sleep(30.0)
    true_j = 200.0 * 120.017
    assert abs(window.reading.energy_j - true_j) <= max(window.reading.comparison_uncertainty_j, 200.0 * 0.05)
    assert window.reading.energy_j == pytest.approx(true_j, rel=1e-3)
    assert clock_times


def test_a_window_that_opens_in_a_long_one_is_polled_at_once(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("training"):
        meter.clock.sleep(300.0)
        with meter.window("evaluation") as window:
            meter.clock.sleep(3.0)
    assert window.reading.energy_j == pytest.approx(300.0, rel=0.01)
    assert window.reading.ticks >= 29


def test_a_tick_at_the_very_end_is_settled_by_one_more_poll(stub):
    """Sparse polls cannot tell whether the last one saw a tick that came at that moment."""
    stub.wave([(0.0, 200.0)])
    for k in range(12):
        stub.reset()
        stub.wave([(0.0, 200.0)])
        _, reading, true_j = polls_of(stub, 20.0 + 0.1 * 7 + 0.002 * (k - 6))
        assert abs(reading.energy_j - true_j) < 200.0 * 0.008, k


def test_the_program_stays_in_step_with_its_own_random_numbers(stub):
    random.seed(7)
    expected = random.random()
    random.seed(7)
    polls_of(stub, 10.0)
    assert random.random() == expected
