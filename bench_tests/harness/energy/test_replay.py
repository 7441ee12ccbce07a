"""Recorded traces: what goes in comes out, on a virtual clock or as if live."""

from __future__ import annotations

import json

import pytest

from greenbench.energy import Status, open_meter
from greenbench.energy.sources.nvml.opening import open_nvml
from greenbench.energy.sources.replay import Recorder, read_trace, replay_windows
from greenbench.errors import UserError


@pytest.fixture
def record(stub, tmp_path):
    """Record two nested windows and a third one, and return the file and the live readings."""

    def run(**options):
        stub.wave([(0.0, 40.0), (1.0, 220.0), (1.7, 90.0)], repeat=2.3)
        path = tmp_path / "trace.jsonl"
        live = []
        with open_nvml(lambda: None, clock=stub.clock(), **options) as meter:
            recorder = Recorder(meter, path)
            with meter.window("outer") as outer:
                meter.clock.sleep(1.0)
                with meter.window("inner") as inner:
                    meter.clock.sleep(6.0)
                meter.clock.sleep(1.5)
            with meter.window("inner") as again:
                meter.clock.sleep(5.5)
            recorder.close()
            live = [("inner", inner.readings), ("outer", outer.readings), ("inner", again.readings)]
        return path, live

    return run


def test_replayed_windows_have_the_recorded_readings(record):
    path, live = record()
    replayed = replay_windows(path)
    assert [label for label, _ in replayed] == [label for label, _ in live]
    for (_, (ours,)), (_, (theirs,)) in zip(replayed, live, strict=True):
        assert ours.energy_j == pytest.approx(theirs.energy_j, rel=0.01)
        assert ours.status is theirs.status
        assert ours.method == "replay-nvml-counter"
        assert ours.start == theirs.start
        assert ours.seconds == pytest.approx(theirs.seconds, abs=0.001)


def test_several_devices_are_replayed_each(record, stub):
    stub.command("gpus 2")
    path, live = record(devices="all")
    replayed = replay_windows(path)
    for (_, ours), (_, theirs) in zip(replayed, live, strict=True):
        assert [reading.uuid for reading in ours] == [reading.uuid for reading in theirs]
        for mine, yours in zip(ours, theirs, strict=True):
            assert mine.energy_j == pytest.approx(yours.energy_j, rel=0.01)


def test_a_recorded_fault_is_replayed(record, stub):
    stub.fault("nvmlDeviceGetFieldValues", 15, 3.0)
    path, live = record()
    for (_, (ours,)), (_, (theirs,)) in zip(replay_windows(path), live, strict=True):
        assert ours.status is theirs.status
        assert ours.energy_j is None
        assert (ours.reason, ours.next_step) == (theirs.reason, theirs.next_step)
        assert ours.next_step.startswith("reboot")


def test_a_live_program_can_be_measured_by_a_trace(record):
    path, _ = record()
    with open_meter(f"replay:{path}") as meter, meter.window("work") as window:
        meter.clock.sleep(0.6)
    assert meter.name == "replay trace.jsonl"
    assert window.reading.status is Status.MEASURED_SHORT
    assert window.reading.method == "replay-nvml-counter"
    assert any("played back" in note for note in window.reading.notes)


def test_after_the_end_of_the_trace_nothing_is_measured(record, monkeypatch):
    path, _ = record()
    trace = read_trace(path)
    with open_meter(f"replay:{path}") as meter:
        monkeypatch.setattr(meter.clock, "_shift", meter.clock._shift + trace.samples[0][-1][0])
        with meter.window("work") as window:
            pass
    assert window.reading.status is Status.NOT_MEASURED
    assert "the recorded trace ends" in window.reading.reason


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json",
        json.dumps({"format": "another"}),
        json.dumps({"format": "greenbench-trace", "version": 9}),
    ],
    ids=["empty", "no JSON", "another format", "a later version"],
)
def test_a_file_that_is_no_trace_is_the_users_error(tmp_path, content):
    path = tmp_path / "trace.jsonl"
    path.write_text(content)
    with pytest.raises(UserError, match="cannot be read as a greenbench-trace of version 1"):
        open_meter(f"replay:{path}")
