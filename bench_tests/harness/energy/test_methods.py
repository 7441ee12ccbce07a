"""Joules and their uncertainty from the samples of a window, computed by hand."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest

from greenbench.energy.accumulate import Accumulator
from greenbench.energy.device import DeviceInfo, Sample
from greenbench.energy.methods import METHODS, Refused
from greenbench.energy.reading import Status

TICK_S, GAIN = 0.1, 0.065


def seen_of(samples, kind="power", tick_s=TICK_S, **facts):
    seen = Accumulator(DeviceInfo("A", "1", "made", kind, tick_s, GAIN, **facts))
    for at, joules, watts in samples:
        seen.add(Sample(at, at, joules, watts))
    return seen


POWERS = [100.0] * 40 + [180.0] * 30 + [220.0] * 31
STEPPED = [(0.1 * k, None, watts) for k, watts in enumerate(POWERS)]


@pytest.mark.parametrize("spread_s", [None, 0.05])
def test_a_power_that_is_late_is_put_forward(spread_s):
    lag_s = 0.5
    seen = seen_of(STEPPED, power_lag_s=lag_s, power_lag_spread_s=spread_s)
    found = METHODS["power"](seen, 10.0)
    integral_j, step_w = 0.1 * sum(POWERS[:-1]), POWERS[-1] - POWERS[0]
    assert found.energy_j == pytest.approx(integral_j + (TICK_S + lag_s) / 2 * step_w)
    assert found.ticks == 100
    mean_w, late_s = statistics.fmean(POWERS), lag_s / math.sqrt(12) if spread_s is None else spread_s
    edges_w = math.hypot(POWERS[0] - mean_w, POWERS[-1] - mean_w)
    parts = edges_w * TICK_S / math.sqrt(12), step_w * late_s / 2, seen.power_spread_w * lag_s / math.sqrt(6)
    assert found.uncertainty.tick_j == pytest.approx(math.hypot(*parts))
    assert found.uncertainty.gain_j == pytest.approx(GAIN * found.energy_j)
    assert found.uncertainty.thermal_j == 0


def test_what_powers_may_have_done_between_updates_follows_from_how_alike_neighbors_are():
    seen = seen_of(STEPPED)
    changes_j2 = sum((0.1 * (b - a)) ** 2 for a, b in pairwise(POWERS))
    unlike = changes_j2 / (2 * 10.0 * TICK_S * statistics.pvariance(POWERS))
    x = -math.log(1 - unlike)
    share = max(1 / math.tanh(x / 2) - 2 / x, x / 8)
    expected = math.sqrt(10.0 * TICK_S * statistics.pvariance(POWERS) * share)
    assert METHODS["power"](seen, 10.0).uncertainty.noise_j == pytest.approx(expected)
    still = seen_of([(0.1 * k, None, 100.0) for k in range(101)])
    assert METHODS["power"](still, 10.0).uncertainty.noise_j == 0


def test_the_paper_adds_each_poll_for_ten_milliseconds():
    found = METHODS["paper"](seen_of(STEPPED, "paper"), 10.0)
    assert found.energy_j == pytest.approx(statistics.fmean(POWERS) * 100 * 0.01)


def test_a_fine_counter_is_a_difference():
    samples = [(0.001 * k, 7.0 + 0.1 * k, None) for k in range(1001)]
    found = METHODS["counter"](seen_of(samples, "counter", tick_s=0.001), 1.0)
    assert found.energy_j == pytest.approx(100.0)
    assert found.ticks == 1000
    assert found.uncertainty.tick_j == pytest.approx(100.0 * 0.001 / math.sqrt(6))
    assert found.uncertainty.gain_j == pytest.approx(6.5)


@pytest.mark.parametrize(("still_s", "stopped"), [(0.5, False), (0.6, True)])
def test_a_counter_may_stand_still_for_five_of_its_periods(still_s, stopped):
    def joules(at):
        """Return what a counter with ticks of 0.1 s says that misses those from 5 s on."""
        told_s = 5.0 if 5.0 < at < 5.0 + still_s else at
        return 10.0 * math.floor(10 * told_s + 1e-6)

    samples = [(0.05 * k, joules(0.05 * k), None) for k in range(201)]
    seen = seen_of(samples, "counter")
    if stopped:
        with pytest.raises(Refused, match=r"stood still for 0\.[56] s") as refused:
            METHODS["counter"](seen, 10.0)
        assert refused.value.status is Status.INVALID
    else:
        assert METHODS["counter"](seen, 10.0).energy_j == pytest.approx(1000.0, rel=0.01)


@pytest.mark.parametrize(("gap_s", "refused"), [(1.9, False), (2.1, True)])
def test_a_power_that_was_not_read_for_two_seconds_is_a_guess(gap_s, refused):
    samples = [(at if at < 5 else at + gap_s, None, 100.0) for at in (0.1 * k for k in range(100))]
    if refused:
        with pytest.raises(Refused, match=r"the power was not read for 2\.\d s \(at most 2 s\)"):
            METHODS["power"](seen_of(samples), 10.0)
    else:
        assert METHODS["power"](seen_of(samples), 10.0).energy_j


def test_three_powers_are_enough():
    assert METHODS["power"](seen_of(STEPPED[:3]), 0.2).energy_j == pytest.approx(20.0)
    with pytest.raises(Refused, match="only 2 power readings fell into the window: too short") as refused:
        METHODS["power"](seen_of(STEPPED[:2]), 0.1)
    assert refused.value.status is Status.NOT_MEASURED
