"""What a reading may say, and how readings scale and add up."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from greenbench.energy import NoMeter, Reading, Status, Uncertainty, check_source, open_meter, total
from greenbench.energy.clock import VirtualClock
from greenbench.energy.idle import Idle
from greenbench.energy.sources.estimate import EstimateMeter
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.energy.sums import together
from greenbench.errors import UserError


def measured(energy_j: float = 1000.0, seconds: float = 10.0, **more) -> Reading:
    fields = {
        "ticks": 100,
        "uncertainty": Uncertainty(gain_j=0.065 * energy_j, tick_j=3.0, noise_j=4.0),
        **more,
    }
    return Reading(energy_j, Status.MEASURED, "nvml-counter", seconds, **fields)


LOST = Reading(None, Status.INVALID, "nvml-counter", 10.0, "GPU is lost", "reboot")


@pytest.mark.parametrize("status", [Status.NOT_MEASURED, Status.INVALID])
def test_a_status_without_a_value_has_none(status):
    with pytest.raises(ValueError, match="cannot have energy_j"):
        Reading(0.0, status, "nvml-counter", 1.0, "a reason")


@pytest.mark.parametrize("status", [Status.MEASURED, Status.MEASURED_SHORT, Status.ESTIMATED])
def test_a_status_with_a_value_has_one(status):
    with pytest.raises(ValueError, match="cannot have energy_j"):
        Reading(None, status, "nvml-counter", 1.0, "a reason")


def test_no_number_without_a_reason():
    with pytest.raises(ValueError, match="needs the reason"):
        Reading(None, Status.INVALID, "nvml-counter", 1.0)


def test_the_uncertainty_is_95_percent_of_all_parts():
    reading = measured()
    assert reading.uncertainty_j == pytest.approx(2 * (65.0**2 + 3.0**2 + 4.0**2) ** 0.5)


def test_the_gain_cancels_in_comparisons_on_one_card():
    assert measured().comparison_uncertainty_j == pytest.approx(2 * 5.0)


def test_scaling_scales_every_extensive_quantity_and_says_so():
    reading = measured(idle_j=100.0, net_energy_j=900.0).scaled(20.0)
    assert (reading.energy_j, reading.seconds, reading.idle_j, reading.net_energy_j) == (
        2e4,
        200.0,
        2e3,
        1.8e4,
    )
    assert reading.mean_power_w == pytest.approx(100.0)
    assert reading.uncertainty_j == pytest.approx(20 * measured().uncertainty_j)
    assert reading.ticks == 100
    assert reading.scaled_by == 20.0


def test_a_sum_adds_gains_and_joins_independent_parts():
    whole = total([measured(), measured()])
    assert (whole.energy_j, whole.seconds, whole.ticks) == (2000.0, 20.0, 200)
    assert whole.uncertainty.gain_j == pytest.approx(130.0)
    assert whole.uncertainty.tick_j == pytest.approx(3.0 * 2**0.5)


def test_a_sum_with_a_void_part_is_void_and_keeps_its_reason():
    whole = total([measured(), LOST, measured()])
    assert whole.energy_j is None
    assert whole.status is Status.INVALID
    assert (whole.reason, whole.next_step) == ("GPU is lost", "reboot")
    assert whole.seconds == 30.0


def test_a_sum_is_as_good_as_its_worst_part():
    guess = Reading(5.0, Status.ESTIMATED, "estimate", 1.0, "as given")
    assert total([measured(), guess]).status is Status.ESTIMATED


def test_the_next_step_stays_beside_its_reason():
    assert LOST.scaled(3.0).next_step == "reboot"
    assert LOST.net_of(Idle(20.0, 1.0, 5.0)).next_step == "reboot"
    assert together([measured(), LOST]).next_step == "reboot"


def test_a_sum_of_nothing_was_not_measured():
    assert total([]).status is Status.NOT_MEASURED


def test_a_part_without_uncertainty_leaves_the_sum_without():
    assert total([measured(), measured(uncertainty=None)]).uncertainty_j is None


def test_devices_together_share_the_seconds():
    whole = together([measured(device="A", uuid="1"), measured(500.0, device="B", uuid="2")])
    assert (whole.energy_j, whole.seconds, whole.device, whole.uuid) == (1500.0, 10.0, "A+B", "1+2")


def test_net_is_gross_less_idle_and_the_drift_is_told():
    reading = measured().net_of(Idle(20.0, 1.0, 5.0), Idle(24.0, 1.0, 5.0))
    assert (reading.energy_j, reading.idle_j, reading.net_energy_j) == (1000.0, 220.0, 780.0)
    assert reading.idle_drift_w == pytest.approx(4.0)


def test_idle_that_was_not_measured_leaves_no_net():
    reading = measured().net_of(Idle(None, None, 5.0, "the device was shared"))
    assert reading.net_energy_j is None
    assert reading.notes == ("idle: the device was shared",)
    assert LOST.net_of(Idle(20.0, 1.0, 5.0)) == LOST


def test_idle_is_measured_before_and_after(stub):
    stub.wave([(0.0, 25.0), (12.0, 180.0), (22.0, 31.0)])
    with open_nvml(lambda: None, clock=stub.clock()) as meter:
        meter.clock.sleep(6.5 - stub.now)
        before = meter.idle(5.0)
        meter.clock.sleep(0.5)
        with meter.window("work") as window:
            meter.clock.sleep(10.0)
        after = meter.idle(5.0)
    reading = window.reading.net_of(before, after)
    assert before.power_w == pytest.approx(25.0, rel=0.01)
    assert after.power_w == pytest.approx(31.0, rel=0.01)
    assert reading.net_energy_j == pytest.approx(1800.0 - 280.0, rel=0.01)
    assert reading.idle_drift_w == pytest.approx(6.0, rel=0.05)


def test_idle_without_a_meter_has_a_reason():
    meter = NoMeter("no meter here")
    meter.clock = VirtualClock()
    idle = meter.idle(5.0)
    assert (idle.power_w, idle.reason) == (None, "no meter here")


def test_a_reading_goes_into_json(stub):
    with open_nvml(lambda: None, clock=stub.clock()) as meter, meter.window("work") as window:
        meter.clock.sleep(6.0)
    back = json.loads(json.dumps(asdict(window.reading)))
    assert back["energy_j"] == window.reading.energy_j
    assert back["start"]["driver"] == "580.00"


def test_an_estimate_is_called_one():
    clock = VirtualClock()
    meter = EstimateMeter(65.0, clock=clock)
    with meter.window("work") as window:
        clock.sleep(10.0)
    assert window.reading.energy_j == pytest.approx(650.0)
    assert window.reading.status is Status.ESTIMATED
    assert window.reading.reason == "estimated: 65 W, as given, times 10.00 s"
    assert meter.idle(5.0).power_w is None
    assert meter.name == "estimate 65 W"


@pytest.mark.parametrize("source", ["auto", "none", "nvml", "nvml:module", "paper", "rapl", "estimate:65"])
def test_a_source_that_exists_is_accepted(source):
    assert check_source(source) == source


@pytest.mark.parametrize(
    "source",
    ["", "cuda", "nvml:", "nvml:cpu", "replay", "replay:", "replay:FILE", "estimate", "estimate:", "estimate:x",
     "estimate:0", "estimate:-5", "estimate:nan", "estimate:WATTS", "none:x"],
)  # fmt: skip
def test_a_source_that_does_not_exist_is_the_users_error(source):
    with pytest.raises(UserError, match=f"meter '{source}'"):
        check_source(source)


def test_none_measures_time_alone():
    with open_meter("none") as meter, meter.window("work") as window:
        pass
    assert meter.name == "none"
    assert window.reading.status is Status.NOT_MEASURED
    assert window.reading.seconds >= 0
