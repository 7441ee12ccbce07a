"""The energy of a training from its epochs."""

from __future__ import annotations

import pytest

from greenbench.energy import NoMeter, Reading, Status, Uncertainty
from greenbench.energy.extrapolate.epochs import EpochEnergy, from_epochs
from greenbench.energy.sources.nvml.opening import open_nvml


def epoch_reading(energy_j: float) -> Reading:
    uncertainty = Uncertainty(gain_j=0.065 * energy_j, tick_j=0.001 * energy_j)
    return Reading(energy_j, Status.MEASURED, "nvml-counter", 60.0, ticks=600, uncertainty=uncertainty)


def test_the_papers_way_scales_the_epochs_and_carries_their_spread():
    epochs = [epoch_reading(energy_j) for energy_j in (990.0, 1000.0, 1010.0)]
    reading = from_epochs(epochs, 200)
    assert reading.energy_j == pytest.approx(200_000)
    assert reading.scaled_by == pytest.approx(200 / 3)
    # Standard error 10 J / sqrt(3) per epoch, times t = 4.30 with two degrees of freedom, times 200 epochs.
    assert 2 * reading.uncertainty.noise_j == pytest.approx(4.303 * 10 / 3**0.5 * 200, rel=1e-3)


def test_an_epoch_without_a_number_leaves_the_papers_way_without_one():
    epochs = [epoch_reading(990.0), Reading(None, Status.INVALID, "nvml-counter", 60.0, "GPU is lost")]
    assert from_epochs(epochs, 200).energy_j is None


def train_epochs(stub, energy, meter, epochs: int) -> None:
    for epoch in range(epochs):
        with energy.stage(f"epoch {epoch + 1}") as step_done:
            for _ in range(60):
                meter.clock.sleep(0.1)
                step_done()
        meter.clock.sleep(1.5)


def test_all_epochs_are_added_and_what_lies_between_is_not(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = EpochEnergy(meter, 4)
        train_epochs(stub, energy, meter, 4)
    assert energy.reading.energy_j == pytest.approx(4 * 600.0, rel=0.005)
    assert energy.reading.scaled_by == 1.0
    assert energy.reading.status is Status.MEASURED


def test_the_first_epochs_are_scaled_to_the_run_and_the_reason_says_so(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = EpochEnergy(meter, 200, measured_epochs=3)
        train_epochs(stub, energy, meter, 5)
    assert energy.reading.energy_j == pytest.approx(200 * 600.0, rel=0.005)
    assert energy.spent.energy_j == pytest.approx(5 * 600.0, rel=0.005)
    assert energy.spent.reason == "3 of 5 epochs measured"
    assert energy.reading.reason == "3 of 200 epochs measured"


def test_every_measured_epoch_has_its_reading(stub):
    stub.wave([(0.0, 100.0), (9.0, 200.0)])
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = EpochEnergy(meter, 2)
        assert energy.latest.reason == "no epoch was trained"
        meter.clock.sleep(2.0 - stub.now)
        train_epochs(stub, energy, meter, 1)
        assert energy.latest.energy_j == pytest.approx(600.0, rel=0.005)
        meter.clock.sleep(2.0)
        train_epochs(stub, energy, meter, 1)
        assert energy.latest.energy_j == pytest.approx(1200.0, rel=0.005)
        assert energy.latest.status is Status.MEASURED


def test_an_epoch_beyond_the_measured_ones_says_so(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = EpochEnergy(meter, 200, measured_epochs=3)
        train_epochs(stub, energy, meter, 4)
    assert (energy.latest.status, energy.latest.energy_j) == (Status.NOT_MEASURED, None)
    assert energy.latest.reason == "beyond the first 3 epochs, which are measured and scaled"


def test_an_epoch_without_a_meter_says_why():
    energy = EpochEnergy(NoMeter("no meter here"), 3)
    with energy.stage("epoch 1"):
        pass
    assert energy.latest.reason == "no meter here"


def test_an_epoch_that_an_error_ended_has_no_reading(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        energy = EpochEnergy(meter, 3)
        train_epochs(stub, energy, meter, 1)
        with pytest.raises(KeyError), energy.stage("epoch 2"):
            raise KeyError
    assert energy.latest.reason == "the epoch did not end"
