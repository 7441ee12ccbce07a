"""What a window keeps of its samples."""

from __future__ import annotations

import random
import statistics

import pytest

from greenbench.energy.accumulate import KEPT_TICKS, Accumulator
from greenbench.energy.device import Contention, DeviceFault, DeviceInfo, Sample


def accumulator(power_lag_s: float = 0.0) -> Accumulator:
    return Accumulator(DeviceInfo("A", "1", "nvml-counter", "counter", 0.1, 0.065, power_lag_s))


def test_each_power_holds_until_the_next_sample():
    seen = accumulator()
    for at, watts in ((0.0, 100.0), (0.5, 200.0), (2.0, 50.0), (3.0, 999.0)):
        seen.add(Sample(at, at, None, watts))
    assert seen.power_integral_j == pytest.approx(100.0 * 0.5 + 200.0 * 1.5 + 50.0 * 1.0)
    assert seen.max_power_w == 999.0


def test_mean_and_spread_are_those_of_the_samples():
    generator = random.Random(2)
    watts = [generator.gauss(200.0, 30.0) for _ in range(500)]
    seen = accumulator()
    for k, power_w in enumerate(watts):
        seen.add(Sample(k * 0.02, k * 0.02, None, power_w))
    assert seen.mean_power_w == pytest.approx(statistics.fmean(watts))
    assert seen.power_spread_w == pytest.approx(statistics.pstdev(watts))


def test_only_the_first_and_last_ticks_are_kept():
    seen = accumulator()
    for k in range(1000):
        seen.add(Sample(k * 0.1, k * 0.1, float(k)))
    assert seen.tick_count == 999
    assert (len(seen.head), len(seen.tail)) == (KEPT_TICKS, KEPT_TICKS)
    assert (seen.head[0].energy_j, seen.tail[-1].energy_j) == (1.0, 999.0)


def test_a_tick_lies_between_the_polls_around_it():
    seen = accumulator()
    for begin, end, joules in ((0.0, 0.001, 5.0), (0.02, 0.021, 5.0), (0.04, 0.049, 6.0)):
        seen.add(Sample(begin, end, joules, 70.0))
    assert seen.head == [(0.02, 0.049, 6.0, 70.0, 0)]


def test_an_averaged_power_says_nothing_about_an_edge():
    seen = accumulator(power_lag_s=1.0)
    for at, joules in ((0.0, 5.0), (0.1, 6.0)):
        seen.add(Sample(at, at, joules, 70.0))
    assert seen.head[0].power_w is None


def test_a_counter_that_goes_back_voids_the_window():
    seen = accumulator()
    for at, joules in ((0.0, 500.0), (0.1, 510.0), (0.2, 1.0), (0.3, 11.0)):
        seen.add(Sample(at, at, joules))
    assert str(seen.fault) == "the energy counter went back by 509 J (was the driver reloaded?)"


@pytest.mark.parametrize(("watts", "bound_w"), [(-3.0, None), (float("nan"), None), (4e4, 300.0)])
def test_an_impossible_power_voids_a_window_of_power_whether_or_not_a_bound_is_known(watts, bound_w):
    seen = Accumulator(DeviceInfo("A", "1", "p", "power", 0.1, 0.065, max_power_w=bound_w))
    for at, power_w in ((0.0, 100.0), (0.1, watts), (0.2, 100.0)):
        seen.add(Sample(at, at, None, power_w))
    end = "impossible" if bound_w is None else "above what the device can draw (300 W)"
    assert str(seen.fault) == f"a power of {watts:.4g} W is {end}"


def test_the_first_fault_stays_the_reason():
    seen = accumulator()
    seen.add(DeviceFault("first"))
    seen.add(DeviceFault("second"))
    assert str(seen.fault) == "first"


@pytest.mark.parametrize("seconds", [0.1, 0.5, 3.0, 10.0])
def test_a_counter_leaps_beyond_twice_the_limit_for_a_second_and_a_tenth_above_it_after(seconds):
    longest_s = seconds + 1.25 * 0.1
    most_j = 300.0 * (2.0 * min(longest_s, 1.0) + 1.1 * max(longest_s - 1.0, 0.0))
    for step_j, leapt in ((0.999 * most_j, False), (1.001 * most_j, True)):
        seen = Accumulator(DeviceInfo("A", "1", "c", "counter", 0.1, 0.065, max_power_w=300.0))
        for at, joules in ((0.0, 0.0), (seconds, step_j)):
            seen.add(Sample(at, at, joules))
        assert (seen.fault is not None) == leapt
        assert not leapt or "above what the device can draw (300 W)" in str(seen.fault)


@pytest.mark.parametrize(("watts", "possible"), [(0.0, True), (0.5, True), (599.0, True), (601.0, False)])
def test_a_power_may_be_twice_the_limit(watts, possible):
    seen = Accumulator(DeviceInfo("A", "1", "p", "power", 0.1, 0.065, max_power_w=300.0))
    seen.add(Sample(0.0, 0.0, None, watts))
    assert (seen.fault is None) == possible
    assert (seen.power_count, seen.max_power_w) == ((1, watts) if possible else (0, None))


def test_the_names_of_sixteen_other_programs_are_kept():
    seen = accumulator()
    for number in (0, 0, *range(40)):
        seen.meet(Contention("foreign", (f"process {number}",)))
    assert seen.strangers == [f"process {number}" for number in range(16)]
    seen.meet(Contention("unknown", ("no permission",)))
    seen.meet(Contention("none", ("process 99",)))
    assert seen.doubts == ["no permission"]


def test_a_window_remembers_its_longest_gap_and_how_long_the_counter_stood_still():
    seen = accumulator()
    for begin, end, joules in ((0.0, 0.01, 0.0), (0.2, 0.21, 0.0), (0.9, 0.95, 5.0), (1.0, 1.01, 5.0)):
        seen.add(Sample(begin, end, joules))
    assert seen.longest_gap_s == pytest.approx(0.9 - 0.21)
    assert seen.longest_still_s == pytest.approx(0.2 - 0.01)
    assert seen.age_s == pytest.approx(1.0)
