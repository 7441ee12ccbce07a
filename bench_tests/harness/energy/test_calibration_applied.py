"""A stored calibration is used where it holds, and a note says so; elsewhere a note says why not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bench_tests.harness.energy.calibration_simulation import Card, counted, recorded
from bench_tests.harness.energy.test_calibration_store import ENTRY
from bench_tests.harness.energy.test_traces import PolledCard
from greenbench.energy import open_meter
from greenbench.energy.calibration.session import calibrate_device
from greenbench.energy.calibration.store import forget, store, stored
from greenbench.energy.clock import VirtualClock
from greenbench.energy.device import Device, DeviceInfo, EdgeState, Sample
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.replay import Recorder, replay_windows
from greenbench.errors import UserError

UUID = "GPU-5afe0000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    path = tmp_path / "calibration.json"
    monkeypatch.setenv("GREENBENCH_CALIBRATION", str(path))
    return path


class Plain(Device):
    """Shows 200 W, by power readings or a counter."""

    def __init__(self, clock, kind: str = "power", lag_s: float = 0.0, driver: str | None = "580.1") -> None:
        self.info = DeviceInfo("card", "GPU-1", f"plain-{kind}", kind, 0.1, 0.065, lag_s)
        self._clock, self._driver = clock, driver

    def sample(self) -> Sample:
        now = self._clock.now()
        return Sample(now, now, 20.0 * int(10 * now + 1e-6), 200.0)

    def edge(self) -> EdgeState:
        return EdgeState("GPU-1", driver=self._driver)


def reading_of(virtual_clock, device: Device, seconds: float = 20.0, **how):
    with (
        DeviceMeter("plain", [device], clock=virtual_clock, **how) as meter,
        meter.window("w", trace=True) as window,
    ):
        virtual_clock.sleep(seconds)
    return window.reading


@pytest.fixture
def clock():
    return VirtualClock(start=100.0)


def test_a_power_reading_is_corrected_and_its_interval_narrowed(clock):
    before = reading_of(clock, Plain(clock))
    store("GPU-1", ENTRY)
    after = reading_of(clock, Plain(clock))
    assert after.mean_power_w == pytest.approx((200 + 1.5) / 1.034, rel=1e-6)
    assert after.max_power_w == pytest.approx((200 + 1.5) / 1.034, rel=1e-6)
    assert after.uncertainty.gain_j == pytest.approx(0.013 * after.energy_j)
    assert after.uncertainty_j < before.uncertainty_j / 4
    assert after.trace[-1].power_w == pytest.approx(201.5 / 1.034)
    (note,) = after.notes
    assert note == (
        "calibrated on 2026-01-31 against an external meter: gain 1.034 ± 0.027, offset -1.5 W, lag 0.10 ± 0.02 s (95 %)"
    )


def test_a_counter_is_corrected_with_what_it_may_differ_from_the_power(clock):
    store("GPU-1", ENTRY)
    reading = reading_of(clock, Plain(clock, "counter"))
    assert reading.mean_power_w == pytest.approx(201.5 / 1.034, rel=0.005)
    assert reading.uncertainty.gain_j == pytest.approx(np.hypot(0.013, 0.02) * reading.energy_j)
    assert "the energy counter is taken to agree with the readings then within 4%" in reading.notes[0]
    spanned = reading.trace[-1].energy_j - reading.trace[0].energy_j
    assert spanned == pytest.approx(reading.energy_j, rel=0.02)
    store("GPU-1", replace(ENTRY, of="counter"))
    assert reading_of(clock, Plain(clock, "counter")).uncertainty.gain_j == pytest.approx(
        0.013 * reading.energy_j, rel=0.01
    )


def test_the_found_lag_takes_the_place_of_the_assumed_one_only_for_readings_of_its_kind(clock):
    store("GPU-1", replace(ENTRY, lag_s=1.1))
    assert "another kind of power reading" in reading_of(clock, Plain(clock)).notes[0]
    assert "another kind" not in reading_of(clock, Plain(clock, lag_s=1.0)).notes[0]


@pytest.mark.parametrize("kind", ["power", "counter"])
@pytest.mark.parametrize("lags", [(0.025, 0.03, 0.01), (None, None, None)])
def test_readings_that_see_a_part_of_the_time_are_corrected_but_keep_their_interval(clock, kind, lags):
    before = reading_of(clock, Plain(clock, kind))
    store("GPU-1", replace(ENTRY, **dict(zip(("averaging_s", "lag_s", "lag_spread_s"), lags, strict=True))))
    after = reading_of(clock, Plain(clock, kind))
    assert after.energy_j == pytest.approx((before.energy_j + 1.5 * before.seconds) / 1.034, rel=0.005)
    assert after.uncertainty.gain_j == pytest.approx(0.065 * after.energy_j)
    assert "the interval stays as wide" in after.notes[0]


def test_the_paper_method_stays_as_it_was(clock):
    before = reading_of(clock, Plain(clock, "paper"))
    store("GPU-1", ENTRY)
    after = reading_of(clock, Plain(clock, "paper"))
    assert after.energy_j == pytest.approx(before.energy_j)
    assert after.notes == ()


def test_a_known_lag_narrows_the_interval_of_a_load_that_steps(clock):
    class Stepping(Plain):
        def sample(self) -> Sample:
            return super().sample()._replace(power_w=100.0 if self._clock.now() < clock_start + 5 else 250.0)

    clock_start = clock.now()
    store("GPU-1", replace(ENTRY, averaging_s=1.0, lag_s=1.0, lag_spread_s=0.3))
    unsure = reading_of(clock, Stepping(clock, lag_s=1.0), 10.0)
    clock_start = clock.now()
    store("GPU-1", replace(ENTRY, averaging_s=1.0, lag_s=1.0, lag_spread_s=0.01))
    sure = reading_of(clock, Stepping(clock, lag_s=1.0), 10.0)
    assert sure.uncertainty.tick_j < unsure.uncertainty.tick_j


def test_a_counter_is_calibrated_by_its_own_updates(tmp_path):
    for seed in range(5):
        trace = recorded(Card(), seed)
        times_s, energy_j = counted(trace)
        np.savez(
            tmp_path / "trace.npz",
            device_time_s=times_s,
            device_energy_j=1.06 * energy_j,
            reference_time_s=trace.reference_s,
            reference_w=trace.reference_w,
        )
        found = calibrate_device(tmp_path / "trace.npz", "GPU-1", 0.01)
        assert found.entry.of == "counter"
        assert found.entry.gain == pytest.approx(1.06, abs=3 * 1.06 * found.found.spread)
        assert found.found.spread < 0.005
        assert found.uncertainties[0] < 0.02


def test_a_card_that_is_calibrated_by_its_own_trace_is_measured_right(clock, tmp_path):
    trace = recorded(Card(gain=1.1, offset_w=4.0), 8)
    path = file_of(trace, tmp_path)
    card = PolledCard(trace.times_s - trace.times_s[0] + 100.0, trace.watts, 0.0, clock)
    calibrate_device(path, "card", 0.01)
    reading = reading_of(clock, card, 25.0)
    at = trace.reference_s - trace.times_s[0] + 100.0
    inside = (at >= 100.0) & (at <= 125.0)
    assert reading.mean_power_w == pytest.approx(trace.reference_w[inside].mean(), rel=0.03)
    assert (
        abs(reading.mean_power_w / trace.reference_w[inside].mean() - 1)
        < reading.uncertainty_j / reading.energy_j
    )


def file_of(trace, folder):
    path = folder / "trace.npz"
    np.savez(
        path,
        device_time_s=trace.times_s,
        device_w=trace.watts,
        reference_time_s=trace.reference_s,
        reference_w=trace.reference_w,
    )
    return path


IGNORED = {
    "another driver": ({"driver": "570.2"}, "580.1", "it is of driver 570.2, and this is 580.1"),
    "a driver that is not told": ({}, None, "it is of driver 580.1, and this is an unknown one"),
}
OUTSIDE = {
    "a power above": ({"highest_w": 150.0}, "a mean power of 195 W is outside of the 60 to 150 W"),
    "a power below": ({"lowest_w": 250.0}, "a mean power of 195 W is outside of the 250 to 300 W"),
}


@pytest.mark.parametrize("name", IGNORED)
def test_a_calibration_that_does_not_hold_is_not_used_and_a_note_says_why(clock, name):
    changes, driver, words = IGNORED[name]
    before = reading_of(clock, Plain(clock, driver=driver))
    store("GPU-1", replace(ENTRY, **changes))
    after = reading_of(clock, Plain(clock, driver=driver))
    assert after.energy_j == pytest.approx(before.energy_j)
    assert after.uncertainty.gain_j == pytest.approx(before.uncertainty.gain_j)
    assert after.notes == (f"the calibration of 2026-01-31 is not used: {words}",)


@pytest.mark.parametrize("name", OUTSIDE)
def test_beyond_the_covered_power_readings_are_corrected_and_the_interval_stays_as_wide(clock, name):
    changes, words = OUTSIDE[name]
    store("GPU-1", ENTRY)
    covered = reading_of(clock, Plain(clock))
    store("GPU-1", replace(ENTRY, **changes))
    beyond = reading_of(clock, Plain(clock))
    assert beyond.energy_j == pytest.approx(covered.energy_j)
    assert beyond.uncertainty.gain_j == pytest.approx(0.065 * beyond.energy_j)
    assert covered.uncertainty.gain_j < beyond.uncertainty.gain_j
    assert f"the interval stays as wide, since {words}" in beyond.notes[0]


def test_a_calibrated_meter_has_a_name_of_its_own(clock):
    """Readings with and without are not compared: see `greenbench.records.conditions`."""
    before = DeviceMeter("plain", [Plain(clock)], clock=clock).name
    store("GPU-1", ENTRY)
    store("GPU-2", replace(ENTRY, date="2026-02-01"))
    after = DeviceMeter("plain", [Plain(clock)], clock=clock).name
    assert (before, after) == ("plain", "plain, calibrated 2026-01-31")


def test_another_device_has_no_note(clock):
    store("GPU-2", ENTRY)
    assert reading_of(clock, Plain(clock)).notes == ()


def test_a_calibration_of_an_unknown_driver_is_used_and_said(clock):
    store("GPU-1", replace(ENTRY, driver=None))
    assert "of an unknown driver" in reading_of(clock, Plain(clock)).notes[0]


def test_a_file_that_cannot_be_read_is_a_note_and_nothing_is_corrected(clock, file):
    file.write_text("{")
    reading = reading_of(clock, Plain(clock))
    assert reading.mean_power_w == pytest.approx(200.0)
    assert "no calibration is used" in reading.notes[0]


def test_a_window_without_energy_stays_one(clock):
    store("GPU-1", ENTRY)
    reading = reading_of(clock, Plain(clock), 0.0)
    assert reading.energy_j is None
    assert reading.reason


def test_a_recorded_trace_is_played_back_with_the_calibration_of_its_time(clock, tmp_path):
    store("GPU-1", ENTRY)
    with DeviceMeter("plain", [Plain(clock)], clock=clock) as meter:
        recorder = Recorder(meter, tmp_path / "trace")
        with meter.window("w") as window:
            clock.sleep(10.0)
        recorder.close()
    forget("GPU-1")
    ((_, (reading,)),) = replay_windows(tmp_path / "trace")
    assert reading.energy_j == pytest.approx(window.reading.energy_j)
    assert reading.uncertainty_j == pytest.approx(window.reading.uncertainty_j)
    lines = (tmp_path / "trace").read_text().splitlines()
    lines[0] = lines[0].replace('"gain": 1.034', '"gain": "x"')
    (tmp_path / "trace").write_text("\n".join(lines))
    with pytest.raises(UserError, match="cannot be read as a greenbench-trace"):
        replay_windows(tmp_path / "trace")


@pytest.fixture
def trace(tmp_path):
    return str(file_of(recorded(Card(gain=0.95), 4, low_w=20.0, high_w=300.0), tmp_path))


def test_the_command_stores_for_the_only_gpu_and_the_next_reading_is_narrower(run_doctor, stub, trace):
    _, output = run_doctor("--json")
    before = next(d for d in json.loads(output)["devices"] if d["boundary"] == "GPU")
    code, output = run_doctor("--calibrate", trace)
    assert code == 0
    assert f"{UUID}: " in output
    assert "times narrower" in output
    entry = stored().entries[UUID]
    assert entry.driver
    code, output = run_doctor("--json")
    after = next(d for d in json.loads(output)["devices"] if d["boundary"] == "GPU")
    assert code == 0
    assert json.loads(output)["calibrations"]["devices"][UUID]["gain"] == entry.gain
    assert after["uncertainty_j"] < before["uncertainty_j"] / 2
    assert after["idle_power_w"] == pytest.approx(before["idle_power_w"] / 0.95, rel=0.02)
    assert after["integral_j"] == pytest.approx(after["counter_j"], rel=0.03)
    assert any("calibrated on" in note for note in after["notes"])


def test_the_public_meter_uses_it(run_doctor, stub, trace, monkeypatch):
    run_doctor("--calibrate", trace)
    monkeypatch.setattr("greenbench.energy.sources.nvml.opening.SystemClock", stub.clock)
    with open_meter("nvml") as meter, meter.window("work") as window:
        meter.clock.sleep(10.0)
    assert any("calibrated on" in note for note in window.reading.notes)


def test_json_says_what_was_found_and_stored(run_doctor, trace):
    code, output = run_doctor("--calibrate", trace, "--json", "--reference-gain", "0.5%")
    found = json.loads(output)
    assert code == 0
    assert found["uuid"] == UUID
    assert found["found"]["gain"] == pytest.approx(0.95, rel=0.01)
    assert found["stored"]["uncertainty"] == pytest.approx(
        np.hypot(np.hypot(0.005, 0.007), found["found"]["spread"])
    )
    assert found["narrower"][0] > 2 * found["narrower"][1] > 4


def test_what_is_stored_is_listed_and_forgotten(run_doctor, trace):
    run_doctor("--calibrate", trace)
    assert f"Calibrated {UUID} on" in run_doctor()[1]
    assert run_doctor("--forget", UUID)[0] == 0
    assert "Calibrated" not in run_doctor()[1]
    with pytest.raises(UserError, match="no calibration of"):
        run_doctor("--forget", UUID)


def test_a_broken_file_is_a_warning_and_no_crash(run_doctor, file):
    file.write_text("[]")
    code, output = run_doctor()
    assert code == 0
    assert "WARNING: no calibration is used" in output
    assert "note         no calibration is used" in output


def test_of_several_gpus_one_must_be_named(run_doctor, stub, trace):
    stub.command("gpus 2")
    with pytest.raises(UserError, match="there are 2 GPUs"):
        run_doctor("--calibrate", trace)
    assert run_doctor("--calibrate", trace, "--device", UUID)[0] == 0


def test_without_a_gpu_the_device_must_be_named(run_doctor, stub, trace):
    stub.command("gpus 0")
    with pytest.raises(UserError, match="--device UUID"):
        run_doctor("--calibrate", trace)
    assert run_doctor("--calibrate", trace, "--device", "GPU-elsewhere")[0] == 0
    assert stored().entries["GPU-elsewhere"].driver is None


@pytest.mark.parametrize(
    "arguments", [("--device", UUID), ("--forget", UUID, "--calibrate", "x"), ("--calibrate", "no-such-file")]
)
def test_arguments_that_make_no_sense_are_refused(run_doctor, arguments):
    with pytest.raises(UserError):
        run_doctor(*arguments)


def test_a_steady_trace_is_said_to_tell_no_lag(run_doctor, tmp_path):
    trace = file_of(recorded(Card(gain=0.95), 4, low_w=300.0, high_w=300.0), tmp_path)
    assert "lag          unknown" in run_doctor("--calibrate", str(trace))[1]
    assert "lag unknown" in run_doctor()[1]
