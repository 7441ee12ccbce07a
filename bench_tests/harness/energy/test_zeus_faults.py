"""No number from a fault of a device that zeus reads, or of zeus."""

from __future__ import annotations

from queue import Empty

import pytest

from bench_tests.harness.energy import zeus_stand_in as stand_in
from bench_tests.harness.energy.zeus_stand_in import (
    JETSON_W,
    MACHINES,
    amd,
    jetson,
    loads_of,
    measure,
    silent,
)
from greenbench.energy import Status, open_meter
from greenbench.energy.sources.zeus.amd import MAX_POWER_W
from greenbench.errors import UserError


def test_of_all_gpus_none_is_left_out(world):
    amd(world, 300.0, 0.0)
    silent(world.gpus.gpus[1])
    with pytest.raises(
        UserError, match="get_instant_power_usage failed: ZeusGPUNotSupportedError: a chiplet"
    ):
        open_meter("zeus", devices="all")


BROKEN = [None, -5, float("nan"), float("inf"), "N/A", True]


@pytest.mark.parametrize("answer", [*BROKEN, stand_in.ZeusGPUNotSupportedError("GPU is lost")])
@pytest.mark.parametrize("counts", [True, False])
def test_no_number_from_a_broken_answer_of_a_gpu(world, answer, counts):
    gpu = amd(world)
    gpu.counts = counts
    what = "get_total_energy_consumption" if counts else "get_average_power_usage"
    reading = measure(world, midway=lambda: gpu.answers.update({what: answer})).reading
    assert reading.energy_j is None
    assert reading.status is Status.INVALID
    assert what in reading.reason
    gpu.answers["get_instant_power_usage"] = answer
    with pytest.raises(UserError, match=what if counts else "get_instant_power_usage"):
        open_meter("zeus")


@pytest.mark.parametrize("answer", BROKEN)
@pytest.mark.parametrize(
    ("machine", "field"),
    [("apple", "cpu_total_mj"), ("apple", "gpu_mj"), ("apple", "dram_mj"), ("apple", "ane_mj")]
    + [("jetson", field) for field in JETSON_W],
)
def test_no_number_from_a_broken_field_of_a_chip(world, machine, field, answer):
    soc = MACHINES[machine](world)
    window = measure(world, midway=lambda: soc.answers.update({field: answer}))
    broken = [reading for reading in window.readings if reading.reason and field in reading.reason]
    assert [(reading.energy_j, reading.status) for reading in broken] == [(None, Status.INVALID)]
    if answer is not None:
        with pytest.raises(UserError, match=f"{field} gave"):
            open_meter("zeus")


@pytest.mark.parametrize("machine", ["apple", "jetson"])
def test_no_number_where_the_library_raises_or_forgets_a_field(world, machine, monkeypatch):
    soc = MACHINES[machine](world)
    window = measure(world, midway=lambda: setattr(soc, "fault", RuntimeError("IOReport is\ngone")))
    for reading in window.readings:
        assert reading.energy_j is None
        assert "get_total_energy_consumption failed: RuntimeError: IOReport is gone" in reading.reason
    soc.fault = None
    forgotten = lambda: monkeypatch.setattr(soc, "get_total_energy_consumption", lambda: object())  # noqa: E731
    reading = measure(world, midway=forgotten).readings[0]
    assert reading.energy_j is None
    assert "gave None" in reading.reason


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda load: setattr(load, "energy_j", load.energy_j - 50.0), "went back"),
        (lambda load: setattr(load, "energy_j", 0.0), "went back"),
        (lambda load: setattr(load, "energy_j", load.energy_j + 1e6), "leapt by"),
        (lambda load: setattr(load, "power_w", 0.0), "stood still"),
        (lambda load: setattr(load, "power_w", 1000 * load.power_w), "above what the device can draw"),
    ],
)
def test_a_counter_that_goes_back_starts_anew_leaps_or_stops_gives_no_number(world, machine, what, words):
    loads = loads_of(world, machine)
    for load in loads:
        load.power_w = max(load.power_w, 12.0)
    window = measure(world, seconds=60.0, midway=lambda: [what(load) for load in loads])
    assert len(window.readings) == len(loads)
    for reading in window.readings:
        assert reading.energy_j is None
        assert reading.status is Status.INVALID
        assert words in reading.reason


@pytest.mark.parametrize("unit", [1e3, 1e6])
@pytest.mark.parametrize("machine", MACHINES)
def test_a_mistaken_unit_is_above_what_the_device_can_draw(world, machine, unit):
    for load in loads_of(world, machine):
        load.power_w *= unit
    for reading in measure(world, seconds=60.0).readings:
        assert reading.energy_j is None
        assert "above what the device can draw" in reading.reason


@pytest.mark.parametrize("scale", [0.001, 0.3, 3.0])
def test_a_counter_that_disagrees_with_the_power_gives_no_number(world, scale):
    gpu = amd(world)
    gpu.answers["get_average_power_usage"] = int(300_000 * scale)
    reading = measure(world).reading
    assert reading.energy_j is None
    assert "the integrated power" in reading.reason


def test_a_counter_without_power_readings_says_that_it_was_not_checked(world):
    gpu = amd(world)
    for what in ("get_average_power_usage", "get_instant_power_usage"):
        gpu.answers[what] = stand_in.ZeusGPUNotSupportedError("N/A")
    reading = measure(world).reading
    assert reading.energy_j == pytest.approx(6000.0, rel=2e-3)
    assert "the counter could not be checked: no power readings" in reading.notes


@pytest.mark.parametrize(
    ("limits", "bound_w"),
    [
        ((0, 750_000), 750.0),
        ((0, 0), MAX_POWER_W),
        ((0, 750), MAX_POWER_W),
        ((0, 750_000_000), MAX_POWER_W),
        ((), MAX_POWER_W),
        (None, MAX_POWER_W),
        (stand_in.ZeusGPUNotSupportedError("no limit"), MAX_POWER_W),
    ],
)
def test_only_a_power_limit_that_can_be_is_a_bound(world, limits, bound_w):
    amd(world).answers["get_power_management_limit_constraints"] = limits
    with open_meter("zeus") as meter:
        assert meter.devices[0].info.max_power_w == bound_w


@pytest.mark.parametrize("answer", [750_000_000, None, stand_in.ZeusGPUNotSupportedError("none")])
def test_what_the_gpu_does_not_tell_of_its_condition_is_none(world, answer):
    gpu = amd(world)
    gpu.answers.update(
        get_power_management_limit=answer, get_gpu_temperature=stand_in.ZeusGPUInitError("none")
    )
    reading = measure(world).reading
    assert reading.status is Status.MEASURED
    assert (reading.end.power_limit_w, reading.end.temperature_c) == (None, None)


def test_after_an_answer_that_was_late_no_other_is_believed(world):
    soc = jetson(world)
    window = measure(world, midway=lambda: setattr(soc, "fault", Empty()))
    assert "get_total_energy_consumption failed: Empty" in window.reading.reason
    soc.fault = None
    with pytest.raises(UserError, match="later ones may be old; start anew"):
        open_meter("zeus")
