"""The file of calibrations: whole or not used, and the trace files they come from."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from greenbench.energy.calibration.session import UNCALIBRATED, fraction
from greenbench.energy.calibration.store import Entry, calibration_file, forget, store, stored
from greenbench.energy.calibration.trace import read_pair
from greenbench.energy.sources.nvml.gpu import GAIN
from greenbench.errors import UserError

ENTRY = Entry(1.034, -1.5, 0.013, 0.1, 0.1, 0.01, 60.0, 300.0, "power", "2026-01-31", "580.1", "ab" * 32)


@pytest.fixture(autouse=True)
def file(monkeypatch, tmp_path):
    path = tmp_path / "own" / "calibration.json"
    monkeypatch.setenv("GREENBENCH_CALIBRATION", str(path))
    return path


def test_what_is_stored_is_read_again(file):
    store("GPU-1", ENTRY)
    store("GPU-2", replace(ENTRY, averaging_s=None, lag_s=None, lag_spread_s=None, driver=None))
    assert stored().problem is None
    assert stored().entries["GPU-1"] == ENTRY
    store("GPU-1", replace(ENTRY, gain=1.0))
    assert {uuid: entry.gain for uuid, entry in stored().entries.items()} == {"GPU-1": 1.0, "GPU-2": 1.034}
    assert list(file.parent.iterdir()) == [file]


def test_one_is_forgotten_and_the_others_stay():
    store("GPU-1", ENTRY)
    store("GPU-2", ENTRY)
    forget("GPU-1")
    assert list(stored().entries) == ["GPU-2"]
    with pytest.raises(UserError, match=r"no calibration of 'GPU-1'; there are those of: GPU-2"):
        forget("GPU-1")


def test_without_a_file_there_is_nothing_and_no_problem():
    assert stored() == ({}, None)


def test_the_file_lies_in_the_configuration_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("GREENBENCH_CALIBRATION")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert calibration_file() == tmp_path / "greenbench" / "calibration.json"
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "not/absolute"):  # which the standard says to ignore
        monkeypatch.setenv("XDG_CONFIG_HOME", value)
        assert calibration_file() == tmp_path / ".config" / "greenbench" / "calibration.json"


def written(**changes) -> str:
    entry = {**asdict(ENTRY), **changes}
    return json.dumps({"format": "greenbench-calibration", "version": 1, "devices": {"GPU-1": entry}})


BROKEN = {
    "empty": "",
    "cut": written()[:100],
    "another format": '{"format": "x", "version": 1, "devices": {}}',
    "a later version": written().replace('"version": 1', '"version": 2'),
    "a list": "[]",
    "a number": "1",
    "devices in a list": '{"format": "greenbench-calibration", "version": 1, "devices": [1]}',
    "deep": "[" * 100_000,
    "a gain of NaN": written(gain=float("nan")),
    "a gain of 0": written(gain=0),
    "a gain in words": written(gain="1.03"),
    "a gain of yes": written(gain=True),
    "no uncertainty": written(uncertainty=0.0),
    "a negative lag": written(lag_s=-0.1),
    "half a lag": written(lag_s=None),
    "levels that cross": written(lowest_w=400.0),
    "no date": written(date="yesterday"),
    "a driver that is none": written(driver=580),
    "another reading": written(of="current"),
    "a field too many": written(color="red"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_problem_in_words_and_is_not_written_over(file, name):
    file.parent.mkdir()
    file.write_text(BROKEN[name])
    found = stored()
    assert not found.entries
    assert str(file) in found.problem
    assert "no calibration is used" in found.problem
    for change in (lambda: store("GPU-1", ENTRY), lambda: forget("GPU-1")):
        with pytest.raises(UserError, match="move it away"):
            change()
    assert file.read_text() == BROKEN[name]


def test_a_file_that_is_no_text_or_a_folder_is_a_problem(file):
    file.mkdir(parents=True)
    assert "cannot be read" in stored().problem
    file.rmdir()
    file.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in stored().problem


def test_a_folder_that_takes_no_file_is_said(monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("GREENBENCH_CALIBRATION", str(tmp_path / "taken" / "calibration.json"))
    with pytest.raises(UserError, match="cannot be written"):
        store("GPU-1", ENTRY)


def test_a_link_stays_one(file, tmp_path):
    target = tmp_path / "elsewhere.json"
    file.parent.mkdir()
    file.symlink_to(target)
    store("GPU-1", ENTRY)
    assert file.is_symlink()
    assert target.is_file()


CSV = "time_s, device_w, reference_w\n0.0, 100, 101\n0.1, , 102\n0.2, 110, \n"


def test_a_csv_file_may_have_empty_cells(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(CSV)
    pair = read_pair(path)
    assert pair.device_times_s.tolist() == [0.0, 0.2]
    assert pair.device_w.tolist() == [100, 110]
    assert pair.reference_w.tolist() == [101, 102]
    assert pair.of == "power"
    assert len(pair.sha256) == 64


def test_a_counter_becomes_the_power_up_to_its_updates(tmp_path):
    path = tmp_path / "trace.csv"
    rows = [f"{t / 100},{5.0 * (t // 10)},50" for t in range(101)]
    path.write_text("\n".join(["time_s,device_energy_j,reference_w", *rows]))
    pair = read_pair(path)
    assert pair.of == "counter"
    assert pair.device_times_s.tolist() == pytest.approx([0.295 + 0.1 * n for n in range(8)])
    assert pair.device_w.tolist() == pytest.approx([50.0] * 8)


def test_a_numpy_file_has_the_names_of_the_columns_or_of_the_public_traces(tmp_path):
    path = tmp_path / "trace.npz"
    shown = {"smi_time_s": [0.0, 1.0], "smi_draw_w": [1.0, 2.0], "smi_draw_instant_w": [3.0, 4.0]}
    np.savez(path, **shown, external_time_s=[0.5], external_power_w=[9.0])
    assert read_pair(path).device_w.tolist() == [3.0, 4.0]


FOREIGN = {
    "no columns": "1,2,3\n4,5,6\n",
    "nothing": "",
    "no reference": "time_s,device_w\n0,1\n",
    "a word": "time_s,device_w,reference_w\n0,1,high\n",
    "a row too long": "time_s,device_w,reference_w\n0,1,2,3\n",
    "a row too short": "time_s,device_w,reference_w\n0,1\n",
    "only empty cells": "time_s,device_w,reference_w\n0,1,\n1,2,\n",
    "a counter that goes back": "time_s,device_energy_j,reference_w\n0,9,1\n1,10,1\n2,11,1\n3,2,1\n",
    "a counter that stands": "time_s,device_energy_j,reference_w\n0,9,1\n1,9,1\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_trace_is_refused_with_the_form(tmp_path, name):
    path = tmp_path / "trace.csv"
    path.write_text(FOREIGN[name])
    with pytest.raises(UserError, match="is no trace for a calibration") as refused:
        read_pair(path)
    assert "reference_w" in refused.value.next_step


def test_files_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_pair(tmp_path / "missing.csv")
    path = tmp_path / "trace.npz"
    for content in (b"", b"\x00\xff", b"PK\x03\x04 cut"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is no trace"):
            read_pair(path)
    np.savez(path, smi_time_s=np.array([object()], dtype=object))
    with pytest.raises(UserError, match="is no trace"):
        read_pair(path)


@pytest.mark.parametrize(("text", "value"), [("1%", 0.01), ("0.5 %", 0.005), ("0.02", 0.02)])
def test_the_meter_uncertainty_is_a_share(text, value):
    assert fraction(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "0", "-1%", "30%", "nan", "one", "1 W"])
def test_a_meter_of_no_sensible_uncertainty_is_refused(text):
    with pytest.raises(UserError, match="--reference-gain"):
        fraction(text)


def test_the_uncertainty_to_compare_with_is_that_of_gpus():
    assert UNCALIBRATED == GAIN
