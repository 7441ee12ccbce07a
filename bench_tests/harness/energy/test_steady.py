"""The energy of a training from blocks of its steps: against simulated trainings of known energy."""

from __future__ import annotations

import random

import pytest

from bench_tests.harness.energy.training_simulation import SETTINGS, simulate
from greenbench.energy import Reading, Status, Uncertainty
from greenbench.energy.clock import VirtualClock
from greenbench.energy.extrapolate.drift import Block, mean_with_half_width, per_step
from greenbench.energy.extrapolate.stage import FIRST_LOOK
from greenbench.energy.extrapolate.steady import SteadyEnergy, SteadySettings, SteadyStage
from greenbench.energy.sources.estimate import EstimateMeter
from greenbench.energy.sources.none import NoMeter
from greenbench.energy.sources.nvml.opening import open_nvml


def check(outcomes) -> None:
    close = sum(abs(outcome.error) <= 0.02 for outcome in outcomes)
    assert close >= 0.95 * len(outcomes), f"{close} of {len(outcomes)} within 2 %"
    inside = sum(outcome.inside for outcome in outcomes)
    assert inside >= 0.9 * len(outcomes), f"{inside} of {len(outcomes)} within their interval"
    assert all(outcome.spent_s <= outcome.budget_s for outcome in outcomes)
    assert {outcome.reading.status for outcome in outcomes} == {Status.MEASURED}


@pytest.mark.slow
def test_steady_is_within_2_percent_for_a_twentieth_of_the_papers_measurement(stub):
    check([simulate(stub, setting, seed) for setting in SETTINGS for seed in range(10)])


@pytest.mark.slow
def test_steady_is_within_2_percent_in_95_percent_of_200_runs(stub):
    check([simulate(stub, setting, seed) for setting in SETTINGS for seed in range(50)])


def block_reading(energy_j: float, seconds: float = 1.0, ticks: int = 10) -> Reading:
    return Reading(
        energy_j, Status.MEASURED_SHORT, "nvml-counter", seconds, "short window", ticks=ticks,
        uncertainty=Uncertainty(gain_j=0.065 * energy_j, tick_j=0.001 * energy_j),
    )  # fmt: skip


def test_measuring_goes_on_until_the_interval_is_within_the_target():
    generator = random.Random(4)
    spent = {}
    for noise in (0.001, 0.03):
        stage = SteadyStage(SteadySettings(target=0.01, warmup_s=2.0, limit_s=1e4))
        while not stage.known(10_000):
            stage.add(10, block_reading(200.0 * (1 + generator.gauss(0.0, noise))))
        spent[noise] = stage.seconds
        reading = stage.estimate(10_000)
        assert reading.energy_j == pytest.approx(200_000, rel=0.015)
        assert reading.comparison_uncertainty_j <= 0.0101 * reading.energy_j
    assert spent[0.03] > 2 * spent[0.001]


def test_the_interval_is_looked_at_when_the_number_of_blocks_has_doubled(monkeypatch):
    looked = []
    monkeypatch.setattr(SteadyStage, "_energy_known", lambda stage, kept, planned: looked.append(len(kept)))
    stage = SteadyStage(SteadySettings(warmup_s=3.0, limit_s=1e9))
    for _ in range(3 + 8 * FIRST_LOOK):
        stage.add(10, Reading(100.0, Status.MEASURED, "test", 1.0, ticks=10))
        stage.known(10**6)
    assert looked == [FIRST_LOOK * times for times in (1, 2, 4, 8)]


def test_at_least_5_seconds_and_50_ticks_are_measured_after_the_warm_up():
    stage = SteadyStage(SteadySettings(warmup_s=3.0))
    while not stage.known(10_000):
        stage.add(10, block_reading(200.0, ticks=8))
    assert stage.seconds >= 3.0 + 50 / 8


@pytest.mark.parametrize(
    ("blocks", "status", "found"),
    [
        (4, Status.MEASURED_SHORT, Status.MEASURED_SHORT),
        (5, Status.MEASURED_SHORT, Status.MEASURED),
        (4, Status.ESTIMATED, Status.ESTIMATED),
        (9, Status.ESTIMATED, Status.ESTIMATED),
    ],
)
def test_short_blocks_are_long_enough_together_and_an_estimate_stays_one(blocks, status, found):
    stage = SteadyStage(SteadySettings(warmup_s=0.0))
    for _ in range(blocks):
        stage.add(10, Reading(200.0, status, "test", 1.0, "a reason", "a next step", ticks=10))
    estimate = stage.estimate(1000)
    assert (estimate.status, estimate.energy_j) == (found, pytest.approx(20_000))
    assert estimate.next_step == (None if found is Status.MEASURED else "a next step")


def test_at_the_limit_the_interval_says_what_was_reached():
    generator = random.Random(8)
    stage = SteadyStage(SteadySettings(target=0.001, limit_s=20.0))
    while not stage.known(10_000):
        stage.add(10, block_reading(200.0 * (1 + generator.gauss(0.0, 0.05))))
    assert stage.seconds == 20.0
    reading = stage.estimate(10_000)
    assert reading.status is Status.MEASURED
    assert reading.comparison_uncertainty_j > 0.01 * reading.energy_j
    assert "150 of 10000 steps measured, energy per step ±" in reading.reason


def test_the_energy_is_that_of_the_planned_steps():
    stage = SteadyStage(SteadySettings())
    for _ in range(20):
        stage.add(10, block_reading(200.0))
    reading = stage.estimate(5000)
    assert reading.energy_j == pytest.approx(100_000, rel=1e-6)
    assert reading.seconds == pytest.approx(500.0)
    assert reading.scaled_by == pytest.approx(5000 / 150)


def test_a_drift_is_continued_not_averaged():
    blocks = [Block(10, 200.0 * (1 + 0.04 * 0.96**t), float(t), t + 1.0) for t in range(5, 40)]
    average_j = sum(block.energy_j for block in blocks) / 350
    found = per_step(blocks, 1_000_000)
    assert average_j > 20.0 * 1.015
    assert found.mean_j == pytest.approx(20.0, rel=0.006)
    assert found.drift_j > 0


def test_a_short_plan_keeps_its_transient():
    blocks = [Block(10, 200.0 * (1 + 0.04 * 0.96**t), float(t), t + 1.0) for t in range(40)]
    true_j = sum(block.energy_j for block in blocks) / 400
    assert per_step(blocks, 400).mean_j == pytest.approx(true_j, rel=0.002)


def test_one_block_without_a_number_leaves_the_training_without_one():
    stage = SteadyStage(SteadySettings())
    stage.add(10, block_reading(200.0))
    stage.add(10, Reading(None, Status.INVALID, "nvml-counter", 1.0, "GPU is lost"))
    assert stage.known(100)
    reading = stage.estimate(100)
    assert reading.status is Status.INVALID
    assert reading.reason == "GPU is lost"


def test_blocks_are_made_to_add_up_to_the_window_around_them():
    stage = SteadyStage(SteadySettings(warmup_s=0.0))
    for _ in range(10):
        stage.add(10, block_reading(206.0))
    stage.calibrate(block_reading(2000.0, seconds=10.0, ticks=100))
    assert stage.estimate(1000).energy_j == pytest.approx(20_000, rel=1e-3)


def test_stages_with_different_work_are_measured_each_and_added(stub):
    stub.wave([(0.0, 30.0), (1.0, 100.0), (41.0, 200.0)])
    settings = SteadySettings(limit_s=15.0)
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(1.0 - stub.now)
        energy = SteadyEnergy(meter, {"small": 1000, "large": 500}, settings)
        with energy.stage("small") as step_done:
            for _ in range(400):
                meter.clock.sleep(0.1)
                step_done()
        with energy.stage("large") as step_done:
            for _ in range(100):
                meter.clock.sleep(0.2)
                step_done()
    true_j = 1000 * 0.1 * 100.0 + 500 * 0.2 * 200.0
    assert energy.reading.energy_j == pytest.approx(true_j, rel=0.01)
    assert energy.reading.status is Status.MEASURED
    assert "small: " in energy.reading.reason
    assert "large: " in energy.reading.reason


def test_a_stage_can_be_left_for_an_evaluation_and_entered_again(stub):
    """What lies between is not in the number: here ten times the power."""
    stub.wave([(0.0, 30.0)] + [p for k in range(8) for p in ((1.0 + 5 * k, 100.0), (4.0 + 5 * k, 290.0))])
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(1.0 - stub.now)
        energy = SteadyEnergy(meter, {"training": 10_000})
        for _ in range(8):
            with energy.stage("training") as step_done:
                for _ in range(30):
                    meter.clock.sleep(0.1)
                    step_done()
            meter.clock.sleep(2.0)
    assert energy.reading.energy_j == pytest.approx(100_000, rel=0.02)


def test_epochs_shorter_than_a_block_are_blocks_themselves(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = SteadyEnergy(meter, {"training": 1000})
        for _ in range(60):
            with energy.stage("training") as step_done:
                for _ in range(4):
                    meter.clock.sleep(0.107)  # no divisor of the tick: every epoch begins at another phase
                    step_done()
    assert energy.reading.energy_j == pytest.approx(10_700, rel=0.02)


def test_a_known_stage_opens_no_more_windows(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = SteadyEnergy(meter, {"training": 10_000})
        with energy.stage("training") as step_done:
            while not energy.known("training"):
                meter.clock.sleep(0.1)
                step_done()
            assert not any(sampler._open for sampler in meter.samplers)
            step_done()
        before = energy.stages["training"].seconds
        with energy.stage("training") as step_done:
            meter.clock.sleep(3.0)
            step_done()
        assert energy.stages["training"].seconds == before


def test_without_a_meter_the_first_block_ends_the_measuring():
    meter = NoMeter("no meter here")
    meter.clock = VirtualClock()
    energy = SteadyEnergy(meter, {"training": 100})
    with energy.stage("training") as step_done:
        for _ in range(30):
            meter.clock.sleep(0.1)
            step_done()
    assert energy.known("training")
    assert energy.reading.status is Status.NOT_MEASURED
    assert energy.reading.reason == "no meter here"


def test_an_estimate_stays_one():
    clock = VirtualClock()
    energy = SteadyEnergy(EstimateMeter(65.0, clock=clock), {"training": 1000})
    with energy.stage("training") as step_done:
        for _ in range(300):
            clock.sleep(0.1)
            step_done()
    assert energy.reading.status is Status.ESTIMATED
    assert energy.reading.energy_j == pytest.approx(65.0 * 100.0, rel=0.01)


def test_a_training_without_any_step_was_not_measured():
    energy = SteadyEnergy(NoMeter("none"), {"training": 100})
    assert energy.reading.status is Status.NOT_MEASURED
    assert energy.reading.energy_j is None


def test_a_training_that_ended_early_has_no_steady_number():
    energy = SteadyEnergy(NoMeter("none"), {"training": 100})
    assert energy.spent.energy_j is None
    assert energy.spent.reason


def enter(energy: SteadyEnergy, meter, steps: int) -> Reading:
    with energy.stage("training") as step_done:
        for _ in range(steps):
            meter.clock.sleep(0.1)
            step_done()
    return energy.latest


def test_an_epoch_of_which_every_step_was_measured_has_a_reading(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = SteadyEnergy(meter, {"training": 10_000})
        assert energy.latest.energy_j is None
        latest = enter(energy, meter, 60)
        assert latest.status is Status.MEASURED
        assert latest.seconds == pytest.approx(6.0)
        assert latest.energy_j == pytest.approx(600.0, rel=0.01)
        meter.clock.sleep(2.0)
        assert enter(energy, meter, 30).energy_j == pytest.approx(300.0, rel=0.02)


def test_an_epoch_that_ends_with_the_last_step_needed_has_a_reading(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = SteadyEnergy(meter, {"training": 10_000}, SteadySettings(limit_s=6.0))
        with energy.stage("training") as step_done:
            while not energy.known("training"):
                meter.clock.sleep(0.1)
                step_done()
    assert energy.latest.energy_j == pytest.approx(100.0 * energy.latest.seconds, rel=0.01)


def test_an_epoch_of_which_a_part_was_measured_says_how_much(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = SteadyEnergy(meter, {"training": 10_000}, SteadySettings(limit_s=6.0))
        with energy.stage("training") as step_done:
            steps = 0
            while not energy.known("training"):
                meter.clock.sleep(0.1)
                step_done()
                steps += 1
            step_done()
        latest = energy.latest
        assert (latest.status, latest.energy_j) == (Status.NOT_MEASURED, None)
        assert latest.reason == f"only {steps} steps of this epoch were measured"
        assert enter(energy, meter, 80).reason.startswith("no step of this epoch was measured")


def test_epochs_without_a_meter_say_why():
    meter = NoMeter("no meter here", "buy one")
    meter.clock = VirtualClock()
    energy = SteadyEnergy(meter, {"training": 100})
    for _ in range(2):
        latest = enter(energy, meter, 30)
        assert latest.status is Status.NOT_MEASURED
        assert (latest.reason, latest.next_step) == ("no meter here", "buy one")


def test_a_void_epoch_is_void_and_those_after_it_are_not_measured(stub):
    stub.fault("nvmlDeviceGetFieldValues", 15, 5.0)
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = SteadyEnergy(meter, {"training": 10_000})
        meter.clock.sleep(2.0 - stub.now)
        assert enter(energy, meter, 60).status is Status.INVALID
        latest = enter(energy, meter, 60)
    assert latest.status is Status.NOT_MEASURED
    assert "GPU is lost" in latest.reason
    assert latest.next_step.startswith("reboot")


def test_an_epoch_that_an_error_ended_has_no_reading(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = SteadyEnergy(meter, {"training": 10_000})
        enter(energy, meter, 60)
        with pytest.raises(KeyError), energy.stage("training"):
            raise KeyError
    assert energy.latest.reason == "the epoch did not end"


@pytest.mark.parametrize("alike", [0.0, 0.7])
def test_the_interval_of_a_mean_holds_it_whatever_neighbors_share(alike):
    generator = random.Random(11)
    inside = 0
    for _ in range(300):
        values, last = [], 0.0
        for _ in range(40):
            last = alike * last + generator.gauss(0.0, 1.0)
            values.append(100.0 + last)
        mean, half_width = mean_with_half_width(values, [1.0] * len(values))
        inside += abs(mean - 100.0) <= half_width
    assert inside >= 0.88 * 300


def test_few_values_tell_no_interval():
    assert mean_with_half_width([1.0, 1.0, 1.0, 1.0], [1.0] * 4) == (1.0, 1.0)


def test_a_block_of_more_steps_counts_more():
    assert mean_with_half_width([1.0, 4.0], [3.0, 1.0])[0] == 1.75
