"""Several meters in one window: each with its own status, and a sum whose boundary is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenbench.energy import Reading, Status, Uncertainty, check_source, open_meter, total
from greenbench.energy.device import EdgeState
from greenbench.energy.sources.estimate import EstimateMeter
from greenbench.energy.sums import together
from greenbench.energy.together import MeterGroup
from greenbench.errors import UserError


def reading(part: str | None, energy_j: float | None, seconds: float = 6.0) -> Reading:
    if energy_j is None:
        return Reading(None, Status.INVALID, "test", seconds, "it broke", device=part, boundary=part)
    return Reading(energy_j, Status.MEASURED, "test", seconds, device=part, boundary=part)


@pytest.mark.parametrize(
    ("parts", "energy_j", "boundary", "without"),
    [
        (
            [("GPU", 5.0), ("CPU package", 3.0), ("CPU memory", 1.0)],
            9.0,
            "GPU + CPU package + CPU memory",
            (),
        ),
        (
            [("GPU", 5.0), ("CPU package", 3.0), ("CPU memory", None)],
            8.0,
            "GPU + CPU package",
            ("CPU memory",),
        ),
        (
            [("GPU", 5.0), ("CPU package", None), ("CPU memory", 1.0)],
            6.0,
            "GPU + CPU memory",
            ("CPU package",),
        ),
        ([("GPU", None), ("CPU package", 3.0)], None, "GPU", ()),
        ([("GPU", 5.0), ("GPU", None), ("CPU package", 3.0)], None, "GPU", ()),
        (
            [("CPU package", 2.0), ("CPU package", 3.0), ("CPU memory", None)],
            5.0,
            "CPU package",
            ("CPU memory",),
        ),
        (
            [("CPU package", 2.0), ("CPU memory", None), ("CPU memory", 7.0)],
            2.0,
            "CPU package",
            ("CPU memory",),
        ),
        ([("GPU", 5.0), ("machine", 20.0)], 20.0, "machine", ()),
        ([("GPU", 5.0), ("CPU package", 3.0), ("machine", None)], 8.0, "GPU + CPU package", ("machine",)),
    ],
)
def test_a_sum_names_what_is_in_it_and_what_is_not(parts, energy_j, boundary, without):
    whole = together([reading(*part) for part in parts])
    assert whole.energy_j == energy_j
    assert whole.boundary == boundary
    assert [note for note in whole.notes if "without" in note] == [
        f"without {part}: it broke" for part in without
    ]


def test_windows_of_different_parts_have_no_sum():
    whole = total([reading("GPU", 5.0), reading("GPU + CPU package", 7.0)])
    assert whole.energy_j is None
    assert "different parts of the machine: GPU, GPU + CPU package" in whole.reason
    assert total([reading("GPU", 5.0), reading("GPU", 7.0)]).energy_j == 12.0


def test_meters_are_joined_by_a_plus():
    with open_meter("estimate:5+estimate:7") as meter, meter.window("work") as window:
        pass
    assert meter.name == "estimate 5 W+estimate 7 W"
    assert [round(one.energy_j / one.seconds) for one in window.readings] == [5, 7]


@pytest.mark.parametrize("name", ["estimate:5+estimate", "estimate:5+volts", "nvml+rapl:3", "all+auto"])
def test_each_part_of_a_name_must_be_a_meter(name):
    with pytest.raises(UserError):
        check_source(name)


def test_a_file_may_have_a_plus_in_its_name(tmp_path):
    (tmp_path / "a+b.jsonl").write_text("")
    assert check_source(f"replay:{tmp_path}/a+b.jsonl")


def test_all_says_of_each_part_what_it_is_or_why_it_is_not(stub, tmp_path, monkeypatch):
    monkeypatch.setattr("greenbench.energy.sources.rapl.POWERCAP", tmp_path)
    monkeypatch.setattr("greenbench.energy.sources.nvml.opening.SystemClock", stub.clock)
    with open_meter("all") as meter, meter.window("work") as window:
        meter.meters[0].clock.sleep(6.0)
    gpu, cpu = window.readings
    assert gpu.energy_j == pytest.approx(600.0, rel=0.01)
    assert (cpu.status, cpu.device) == (Status.NOT_MEASURED, "CPU package")
    assert window.reading.energy_j == gpu.energy_j
    assert window.reading.boundary == "GPU"
    assert any(note.startswith("without CPU package: RAPL: no package") for note in window.reading.notes)


def test_hardware_that_is_not_there_is_not_what_does_the_work(stub, tmp_path, monkeypatch):
    stub.command("gpus 0")
    (tmp_path / "intel-rapl:0").symlink_to("nowhere")
    monkeypatch.setattr("greenbench.energy.sources.rapl.POWERCAP", tmp_path)
    with open_meter("all") as meter, meter.window("work") as window:
        pass
    assert [one.device for one in window.readings] == ["CPU package", "GPU"]
    assert "container" in window.reading.reason


class Broken(EstimateMeter):
    def __init__(self, when: str) -> None:
        super().__init__(3.0)
        self._when = when

    def _open(self, label, trace):
        if self._when == "open":
            raise RuntimeError("no")

    def _close(self, label, opened, seconds):
        if self._when == "close":
            raise RuntimeError("no")
        return super()._close(label, opened, seconds)

    def close(self):
        raise RuntimeError("no")


@pytest.mark.parametrize("when", ["open", "close"])
def test_what_fails_in_one_meter_is_its_reading_alone(when):
    with MeterGroup([Broken(when), EstimateMeter(5.0)]) as meter, meter.window("work") as window:
        pass
    first, second = window.readings
    assert first.status is Status.INVALID
    assert "RuntimeError: no" in first.reason
    assert second.energy_j is not None
    assert meter.meters[1].closed


FIRST = Reading(
    100.0,
    Status.MEASURED,
    "counter",
    2.0,
    device="A",
    uuid="1",
    ticks=20,
    idle_j=30.0,
    net_energy_j=70.0,
    idle_drift_w=1.5,
    uncertainty=Uncertainty(1.0, 3.0, 0.0, 0.0),
    max_power_w=60.0,
    start=EdgeState("1", temperature_c=30.0),
    end=EdgeState("1", temperature_c=40.0),
    thermal_throttle=0.0,
    power_throttle=0.5,
    notes=("a", "b"),
    scaled_by=2.0,
    boundary="GPU",
    trace=(),
)
SECOND = replace(
    FIRST,
    energy_j=400.0,
    seconds=6.0,
    device="B",
    uuid="2",
    method="power",
    ticks=60,
    idle_j=90.0,
    net_energy_j=310.0,
    uncertainty=Uncertainty(4.0, 4.0, 0.0, 0.0),
    max_power_w=50.0,
    start=EdgeState("1", temperature_c=41.0),
    end=EdgeState("1", temperature_c=45.0),
    thermal_throttle=0.2,
    power_throttle=0.1,
    notes=("b", "c"),
)


def test_windows_one_after_the_other_add_up_field_by_field():
    whole = total([FIRST, SECOND])
    assert (whole.energy_j, whole.seconds, whole.ticks) == (500.0, 8.0, 80)
    assert (whole.idle_j, whole.net_energy_j, whole.idle_drift_w) == (120.0, 380.0, None)
    assert whole.uncertainty == Uncertainty(5.0, 5.0, 0.0, 0.0)
    assert (whole.max_power_w, whole.notes, whole.scaled_by) == (60.0, ("a", "b", "c"), 2.0)
    assert (whole.start, whole.end) == (FIRST.start, SECOND.end)
    assert whole.thermal_throttle == pytest.approx((0.0 * 2 + 0.2 * 6) / 8)
    assert whole.power_throttle == pytest.approx((0.5 * 2 + 0.1 * 6) / 8)
    assert (whole.trace, whole.boundary) == (None, "GPU")
    assert total([FIRST]).idle_drift_w == 1.5
    assert total([FIRST, replace(SECOND, scaled_by=3.0)]).scaled_by == 1.0


@pytest.mark.parametrize(
    "name",
    ["ticks", "idle_j", "net_energy_j", "uncertainty", "max_power_w", "thermal_throttle", "power_throttle"],
)
def test_what_one_window_does_not_tell_the_sum_does_not_either(name):
    assert getattr(total([FIRST, SECOND]), name) is not None
    assert getattr(total([FIRST, replace(SECOND, **{name: None})]), name) is None


def test_devices_in_one_window_add_up_field_by_field():
    other = replace(SECOND, seconds=2.0)
    whole = together([FIRST, other])
    assert (whole.energy_j, whole.seconds, whole.ticks) == (500.0, 2.0, 20)
    assert (whole.device, whole.uuid, whole.method) == ("A+B", "1+2", "counter+power")
    assert (whole.max_power_w, whole.start, whole.end) == (None, None, None)
    assert (whole.boundary, whole.notes) == ("GPU", ("a", "b", "c"))
    assert together([FIRST]) is FIRST


@pytest.mark.parametrize(("part", "device"), [("CPU package", "x"), (None, "B"), (None, None)])
def test_what_is_left_out_is_named_by_its_part_or_device_or_method(part, device):
    gone = Reading(None, Status.INVALID, "rapl", 2.0, "it broke", device=device, boundary=part)
    for readings in ([FIRST, gone], [FIRST, SECOND, gone]):
        assert together(readings).notes[-1] == f"without {part or device or 'rapl'}: it broke"
