"""The counter between its ticks: how close to the truth, and how honest about the rest."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_tests.nvml_stub import Stub
from greenbench.energy.interpolate import Tick, energy_between, fit_ticks
from greenbench.energy.sources.nvml.opening import open_nvml

CASES = 150
"""Waveforms and windows: of loads that jump, whose power reading is up to 100 ms old, fewer than 95 % are inside."""

levels = st.floats(30.0, 290.0)
pieces = st.lists(st.tuples(st.floats(0.02, 2.0), levels), min_size=1, max_size=8)


def measure(stub: Stub, waveform, start: float, seconds: float, tick: float, jitter: float):
    """Return energy, stated interval, truth, and the plain difference of the counter at the edges."""
    stub.reset()
    time, points = 0.0, []
    for length, watts in waveform:
        points.append((time, watts))
        time += length
    stub.wave(points, repeat=time)
    stub.command(f"set 0 tick {tick}")
    stub.command(f"set 0 jitter {jitter}")
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(start)
        first_s = stub.now
        with meter.window("work", trace=True) as window:
            meter.clock.sleep(seconds)
        last_s = stub.now
    reading = window.reading
    plain_j = reading.trace[-1].energy_j - reading.trace[0].energy_j
    return reading, stub.true_energy_j(first_s, last_s), plain_j


@settings(max_examples=60, deadline=None)
@given(
    waveform=pieces,
    start=st.floats(0.0, 3.0),
    seconds=st.floats(1.0, 20.0),
    tick=st.sampled_from([0.02, 0.05, 0.1]),
    jitter=st.sampled_from([0.0, 0.002]),
)
def test_no_waveform_takes_the_energy_out_of_thrice_the_edges_worst(
    loaded_stub, waveform, start, seconds, tick, jitter
):
    loaded_stub.install()
    reading, true_j, _ = measure(loaded_stub, waveform, start, seconds, tick, jitter)
    swing_w = max(watts for _, watts in waveform)
    # At either edge at most a tick and a poll's doubt, at the largest power there is.
    assert abs(reading.energy_j - true_j) <= 2 * swing_w * (tick + 0.025)
    assert reading.comparison_uncertainty_j >= 0


def test_random_windows_are_within_their_stated_interval_and_far_closer_than_the_difference(stub):
    generator = random.Random(20)
    inside, ours, plain = 0, 0.0, 0.0
    for _ in range(CASES):
        waveform = [
            (generator.uniform(0.02, 2.0), generator.uniform(30.0, 290.0))
            for _ in range(generator.randint(1, 8))
        ]
        reading, true_j, plain_j = measure(
            stub,
            waveform,
            start=generator.uniform(0.0, 3.0),
            seconds=generator.uniform(1.0, 20.0),
            tick=generator.choice([0.02, 0.05, 0.1]),
            jitter=generator.choice([0.0, 0.002]),
        )
        error_j = abs(reading.energy_j - true_j)
        inside += error_j <= reading.comparison_uncertainty_j
        ours += error_j**2
        plain += (plain_j - true_j) ** 2
    assert inside >= 0.91 * CASES, f"{inside} of {CASES}"
    assert (ours / plain) ** 0.5 < 0.4, f"{(ours / plain) ** 0.5}"


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_a_training_like_load_is_five_times_closer_than_the_plain_difference(stub, seconds):
    """Idle before and after, steps of 130 ms with a gap inside: what a training looks like."""
    generator = random.Random(3)
    ours, plain = [], []
    for _ in range(60):
        stub.reset()
        start_s = 1.0 + generator.uniform(0.0, 0.1)
        stub.wave(
            [(0.0, 40.0)]
            + [
                point
                for k in range(int(seconds / 0.13) + 1)
                for point in ((start_s + 0.13 * k, 250.0), (start_s + 0.13 * k + 0.12, 180.0))
                if point[0] < start_s + seconds
            ]
            + [(start_s + seconds, 40.0)]
        )
        with open_nvml(lambda: None, clock=stub.clock()) as meter:
            meter.clock.sleep(start_s - stub.now)
            with meter.window("work", trace=True) as window:
                meter.clock.sleep(seconds)
        true_j = stub.true_energy_j(start_s, start_s + seconds)
        trace = window.reading.trace
        ours.append(abs(window.reading.energy_j / true_j - 1))
        plain.append(abs((trace[-1].energy_j - trace[0].energy_j) / true_j - 1))
    assert sum(ours) / len(ours) < 0.02 / seconds
    assert sum(ours) < sum(plain) / 5


def test_a_steady_power_is_exact():
    ticks = [Tick(0.1 * k + 0.07, 0.1 * k + 0.09, 10.0 * k, number=k) for k in range(1, 30)]
    energy_j, uncertainty_j = energy_between(0.0, 3.0, ticks, ticks, 0.0, 0.1)
    assert energy_j == pytest.approx(300.0, rel=1e-9)
    assert uncertainty_j < 1.0


def test_what_runs_before_the_window_does_not_leak_in():
    """The first tick carries energy from before the window, at another power; only later ones count."""
    ticks = [
        Tick(0.05, 0.05, 500.0),
        *(Tick(0.05 + 0.1 * k, 0.05 + 0.1 * k, 500.0 + 20.0 * k) for k in (1, 2)),
    ]
    energy_j, _ = energy_between(0.0, 0.3, ticks, ticks, 0.0, 0.1)
    assert energy_j == pytest.approx(200.0 * 0.3)


def test_many_ticks_give_their_times_closer_than_the_polls_are_apart():
    generator = random.Random(1)
    ticks, true_s = [], []
    for k in range(60):
        at = 0.1003 * k + 0.031
        poll = 0.024 * (at // 0.024 + 1)
        ticks.append(Tick(poll - 0.024, poll + generator.uniform(0, 1e-4), float(k), number=k))
        true_s.append(at)
    fitted = fit_ticks(ticks, 0.1)
    worst_s = max(abs(a - b) for a, b in zip(fitted.times_s, true_s, strict=True))
    assert worst_s < 0.008
    assert max(fitted.uncertainties_s) < 0.004


def test_a_missed_tick_does_not_bend_the_line():
    ticks = [Tick(0.1 * k - 0.02, 0.1 * k, 1.0 * k, number=k) for k in range(1, 40) if k not in (7, 8, 20)]
    times = fit_ticks(ticks, 0.1).times_s
    assert times == pytest.approx([t.latest_s - 0.01 for t in ticks], abs=1e-6)


def test_fitted_times_stay_between_their_polls():
    generator = random.Random(5)
    ticks, at = [], 0.0
    for k in range(50):
        at += generator.choice([0.05, 0.1, 0.15])
        ticks.append(Tick(at - 0.02, at, float(k), number=k))
    for time_s, tick in zip(fit_ticks(ticks, 0.1).times_s, ticks, strict=True):
        assert tick.earliest_s <= time_s <= tick.latest_s


def test_polls_far_apart_say_no_more_than_that_a_tick_is_of_the_last_period():
    ticks = [Tick(k - 0.125, float(k), 100.0 * k) for k in range(1, 40)]
    fitted = fit_ticks(ticks, 0.1)
    assert fitted.times_s == pytest.approx([k - 0.05 for k in range(1, 40)])
    assert fitted.uncertainties_s[-1] == pytest.approx(0.1 / 12**0.5)


@pytest.mark.parametrize("seconds", [30.0, 120.0, 600.0, 3600.0])
def test_long_windows_with_few_polls_are_within_their_interval_and_a_thousandth(stub, seconds):
    generator = random.Random(seconds)
    inside = 0
    for _ in range(6):
        stub.reset()
        stub.wave([(0.0, 60.0), (3.0, 260.0), (3.2, 180.0)], repeat=0.0)
        stub.command(f"set 0 phase {generator.uniform(0.0, 0.1)}")
        with open_nvml(lambda: None, clock=stub.clock()) as meter:
            meter.clock.sleep(4.0 - stub.now)
            length_s = seconds * generator.uniform(0.95, 1.05)
            with meter.window("work") as window:
                meter.clock.sleep(length_s)
        error_j = abs(window.reading.energy_j - 180.0 * length_s)
        assert error_j < 1e-3 * 180.0 * length_s
        inside += error_j <= window.reading.comparison_uncertainty_j
    assert inside >= 5


def test_a_line_is_drawn_from_four_ticks_on():
    seen = [(0.00, 0.01), (0.095, 0.105), (0.19, 0.20), (0.295, 0.305)]
    ticks = [Tick(early, late, float(k), None, k) for k, (early, late) in enumerate(seen)]
    few = fit_ticks(ticks[:3], 0.1)
    assert few.times_s == pytest.approx([0.005, 0.1, 0.195])
    assert few.uncertainties_s == pytest.approx([0.01 / math.sqrt(12)] * 3)
    steps = [after - before for before, after in pairwise(fit_ticks(ticks, 0.1).times_s)]
    assert max(steps) - min(steps) < 0.004, "ticks come at an even pace"
