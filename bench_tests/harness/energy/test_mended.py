"""A training's energy in windows of a minute: a fault in one of them does not void the others."""

import pytest

from greenbench.energy import Reading, Status, Uncertainty, total
from greenbench.energy.extrapolate.epochs import EpochEnergy
from greenbench.energy.extrapolate.mended import mended
from greenbench.energy.extrapolate.stretches import WINDOW_S
from greenbench.energy.sources.nvml.opening import open_nvml


def window(energy_j, seconds=60.0, boundary="GPU"):
    uncertainty = Uncertainty(gain_j=0.05 * energy_j, noise_j=1.0)
    return Reading(
        energy_j,
        Status.MEASURED,
        "nvml-counter",
        seconds,
        ticks=600,
        uncertainty=uncertainty,
        boundary=boundary,
    )


def void(seconds=60.0, reason="GPU is lost"):
    return Reading(None, Status.INVALID, "nvml-counter", seconds, reason, ticks=3, boundary="GPU")


def hour(*others):
    """Return 60 windows, of which the last are `others`, before one more."""
    return [*[window(6000.0)] * (59 - len(others)), *others, window(12000.0)]


def test_a_void_window_gets_the_mean_power_of_its_neighbours_over_its_own_time():
    found = mended(hour(void(30.0)))
    assert found[58].energy_j == pytest.approx(30 * (100 + 200) / 2)
    assert found[58].seconds == 30.0
    whole = total(found)
    assert whole.energy_j == pytest.approx(58 * 6000 + 4500 + 12000)
    assert whole.status is Status.MEASURED
    assert whole.notes == (
        "1 of 60 windows, 0.84% of the time, had no energy (GPU is lost); they count with the mean power of their neighbours",
    )
    # The power changed somewhere in it.
    assert found[58].uncertainty.noise_j >= 50.0 * 30


def test_at_an_end_there_is_one_neighbour_and_void_windows_are_no_neighbours():
    windows = [void(), *[window(6000.0)] * 100, void()]
    assert [mended(windows)[place].energy_j for place in (0, -1)] == [6000.0, 6000.0]
    windows = [*[window(6000.0)] * 100, void(), void(), window(9000.0)]
    assert [reading.energy_j for reading in mended(windows)[-3:]] == [7500.0, 7500.0, 9000.0]


@pytest.mark.parametrize(("count", "is_mended"), [(49, False), (50, True)])
def test_above_two_percent_of_the_time_nothing_is_mended(count, is_mended):
    windows = [*[window(6000.0)] * (count - 1), void()]
    assert (total(mended(windows)).energy_j is not None) == is_mended
    if not is_mended:
        assert total(mended(windows)).reason == "GPU is lost"


def test_a_window_of_other_parts_of_the_machine_is_void_too():
    windows = [*[window(6000.0, boundary="GPU + CPU package")] * 99, window(5000.0)]
    assert total(windows).energy_j is None
    whole = total(mended(windows))
    assert whole.energy_j == pytest.approx(600_000)
    assert "(of GPU alone)" in whole.notes[0]


def test_nothing_is_made_of_windows_that_are_all_void_or_of_none():
    assert mended([void(), void()]) == [void(), void()]
    assert mended([void(0.0)]) == [void(0.0)]
    assert mended([]) == []


def train(energy, meter, seconds):
    with energy.stage("training") as step_done:
        for _ in range(seconds):
            meter.clock.sleep(1.0)
            step_done()


def test_an_epoch_of_an_hour_outlives_a_faulty_poll(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        labels = []
        meter.edge_listener = lambda which, label, *_: labels.append((which, label))
        energy = EpochEnergy(meter, 1)
        train(energy, meter, 3600)
    assert len(labels) == 2 * 3600 / WINDOW_S
    assert energy.reading.energy_j == pytest.approx(360_000, rel=0.005)
    energy._epochs[0][30] = void()
    assert energy.reading.energy_j == pytest.approx(360_000, rel=0.005)
    assert energy.epochs[0].energy_j == energy.reading.energy_j
    assert "had no energy (GPU is lost)" in energy.reading.notes[-1]
    energy._epochs[0][31] = void()
    assert energy.reading.reason == "GPU is lost"


def test_a_pause_is_not_measured_and_what_was_measured_goes_on_elsewhere(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        first = EpochEnergy(meter, 2)
        train(first, meter, 10)
        with first.stage("training") as step_done:
            for _ in range(10):
                meter.clock.sleep(1.0)
                step_done()
            with first.paused():
                meter.clock.sleep(100.0)
                state = first.state_dict()
            meter.clock.sleep(10.0)
        assert first.reading.energy_j == pytest.approx(3000, rel=0.01)
        second = EpochEnergy(meter, 2)
        second.load_state_dict(state)
        train(second, meter, 10)
        assert second.reading.energy_j == pytest.approx(3000, rel=0.01)
        assert second.latest.energy_j == pytest.approx(2000, rel=0.01)
