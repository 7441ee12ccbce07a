"""Joules of one call, on a virtual clock, and budgets."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
from scipy import stats

from greenbench.energy import NoMeter, Reading, Status, repeat
from greenbench.energy.budget import read_budget
from greenbench.energy.carbon import carbon_intensity
from greenbench.energy.clock import VirtualClock
from greenbench.energy.reading import Uncertainty
from greenbench.energy.repeat import measure
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.errors import UserError


def test_a_call_shorter_than_a_tick_is_measured_by_many(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        found = measure(meter, lambda: meter.clock.sleep(0.0131))
    assert found.reading.status is Status.MEASURED
    assert found.energy_j == pytest.approx(1.31, rel=0.01)
    # Half of a 95 % interval: one window in twenty is farther off, none twice as far.
    assert abs(found.energy_j - 1.31) <= 2 * found.comparison_uncertainty_j < 0.1
    assert found.uncertainty_j > found.comparison_uncertainty_j
    assert found.seconds == pytest.approx(0.0131)
    assert found.seconds_uncertainty == pytest.approx(0.0, abs=1e-6)


def test_calls_that_take_no_time_come_to_an_end(monkeypatch):
    monkeypatch.setattr(repeat, "MOST_CALLS", 50)
    calls = []

    def call():
        calls.append(None)
        assert len(calls) < 1000

    meter = NoMeter("not measured in this test")
    meter.clock = VirtualClock()
    measure(meter, call)
    assert len(calls) == 1 + (1 + 4 + 16 + 64) + 50, (
        "a warm-up, tries until there are more, and what is allowed"
    )


def test_the_interval_of_a_call_is_that_of_the_mean_of_the_blocks():
    meter = NoMeter("not measured in this test")
    meter.clock = VirtualClock()
    lengths_s = [0.1 + 0.01 * (k * k % 7) for k in range(repeat.BLOCKS)]
    left = [0.0, *lengths_s]
    found = measure(meter, lambda: meter.clock.sleep(left.pop(0)), repeats=repeat.BLOCKS)
    assert found.seconds == pytest.approx(statistics.fmean(lengths_s))
    sem_s = statistics.stdev(lengths_s) / math.sqrt(repeat.BLOCKS)
    assert found.seconds_uncertainty == pytest.approx(stats.t.ppf(0.975, repeat.BLOCKS - 1) * sem_s, rel=1e-3)


def test_calls_that_differ_widen_the_interval(stub):
    times = [0.01 + 0.01 * (k % 7) for k in range(10_000)]
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        steady = measure(meter, lambda: meter.clock.sleep(0.04), repeats=150)
        uneven = measure(meter, lambda: meter.clock.sleep(times.pop()), repeats=151)
    assert uneven.seconds_uncertainty > 10 * steady.seconds_uncertainty
    assert uneven.comparison_uncertainty_j > steady.comparison_uncertainty_j


def test_one_short_call_has_no_number_and_says_what_to_do(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        found = measure(meter, lambda: meter.clock.sleep(0.01), repeats=1, warmup=0)
    assert found.energy_j is None
    assert found.uncertainty_j is None
    assert "measure more work" in found.reading.next_step
    assert "not-measured" in str(found)


def test_what_happens_between_blocks_is_not_in_the_result(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        # A driver that is slow after the last sample of a window.
        meter.edge_listener = lambda which, *_: meter.clock.sleep(0.1) if which == "close" else None
        chosen = measure(meter, lambda: meter.clock.sleep(0.1))
        short = measure(meter, lambda: meter.clock.sleep(0.01), repeats=60)
    assert chosen.seconds == pytest.approx(0.1)
    assert chosen.reading.seconds > chosen.calls * chosen.seconds + 0.4
    assert abs(chosen.energy_j - 10.0) <= chosen.comparison_uncertainty_j < 0.5
    assert short.seconds == pytest.approx(0.01)
    assert abs(short.energy_j - 1.0) <= short.comparison_uncertainty_j
    assert short.comparison_uncertainty_j > 0.4  # what the pauses took is not known


def test_blocks_begin_at_other_points_of_a_period(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        starts = []
        meter.edge_listener = lambda which, label, now, _: (
            starts.append(now % 0.1) if which == "open" and "block" in label else None
        )
        measure(meter, lambda: meter.clock.sleep(0.1), repeats=60)
    assert len({round(start, 6) for start in starts}) == len(starts) == 6


def test_warmup_does_not_count(stub):
    calls = []
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        found = measure(meter, lambda: (calls.append(1), meter.clock.sleep(0.1)), repeats=10, warmup=3)
    assert (len(calls), found.calls) == (13, 10)


@pytest.mark.parametrize("arguments", [{"repeats": 0}, {"repeats": -3}, {"warmup": -1}, {"repeats": 10**9}])
def test_numbers_that_make_no_sense_are_refused(arguments):
    with pytest.raises(UserError, match="it must be from"):
        measure(NoMeter("none"), lambda: None, **arguments)


WORLD = carbon_intensity("500 g/kWh")


def reading(energy_j: float | None, seconds: float = 6.0) -> Reading:
    if energy_j is None:
        return Reading(None, Status.NOT_MEASURED, "none", seconds, "no meter", "buy one")
    return Reading(
        energy_j,
        Status.MEASURED,
        "t",
        seconds,
        uncertainty=Uncertainty(gain_j=0.05 * energy_j),
        boundary="GPU",
    )


def test_estimates_judge_only_where_they_were_asked_for():
    shared = replace(reading(2100.0), status=Status.ESTIMATED, reason="shared with python (7)")
    budget = read_budget({"energy": "2 kJ"})
    assert budget.overruns(shared, WORLD) == []
    assert budget.unknown(shared) == "energy estimated: shared with python (7)"
    (words,) = budget.overruns(shared, WORLD, estimates=True)
    assert words.endswith("(GPU, estimated)")
    assert budget.unknown(shared, estimates=True) is None


def test_budgets_are_judged_by_the_value_and_say_what_is_certain():
    budget = read_budget({"energy": "2 kJ", "time": "1 min", "co2": "0.2 g"})
    assert budget.overruns(reading(1000.0), WORLD) == []
    (energy, co2) = budget.overruns(reading(2100.0), WORLD)
    assert energy == "energy 2.10 kJ ± 210 J is over the budget of 2.00 kJ, though not certainly (GPU)"
    assert co2.startswith("CO2 292 mg ± 29 mg is over the budget of 200 mg (GPU)")
    assert budget.overruns(reading(10.0, seconds=61.0), WORLD) == ["time 61.0 s is over the budget of 60.0 s"]
    assert budget.unknown(reading(None)) == "energy not-measured: no meter; buy one"
    assert read_budget({"time": "1 s"}).unknown(reading(None)) is None


@pytest.mark.parametrize("amount", ["2", "J", "2 W", "-2 J", "nan J", "0 J", "1e999 J", "2 J J", 2, None, ""])
def test_an_amount_needs_a_number_and_a_unit(amount):
    with pytest.raises(UserError, match="is no amount above 0"):
        read_budget({"energy": amount})
