"""Real cards: a calibration by one trace narrows the interval, and the truth of another load is still inside it.

For the traces see `test_traces`; they do not come with the project.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench_tests.harness.energy.test_traces import FOLDER, replay
from greenbench.cli import main
from greenbench.energy.calibration.fit import calibrate
from greenbench.energy.calibration.session import calibrate_device
from greenbench.errors import UserError

COLUMNS = ("smi_draw_w", "smi_draw_instant_w")


def load(name: str) -> dict[str, np.ndarray]:
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"no trace {path}: set GREENBENCH_TRACES to their folder")
    with np.load(path) as file:
        return dict(file)


@pytest.fixture(autouse=True)
def own_file(monkeypatch, tmp_path):
    monkeypatch.setenv("GREENBENCH_CALIBRATION", str(tmp_path / "calibration.json"))


def as_csv(trace, column: str, path, until_s: float = np.inf):
    """Write a trace in the form that users write."""
    rows = ["device_time_s,device_w,reference_time_s,reference_w"]
    device = trace["smi_time_s"] <= until_s
    reference = trace["external_time_s"] <= until_s
    pairs = zip(trace["smi_time_s"][device].tolist(), trace[column][device].tolist(), strict=True)
    rows += [f"{time_s!r},{power_w!r},," for time_s, power_w in pairs]
    powers = trace["external_power_w"][reference].tolist()
    pairs = zip(trace["external_time_s"][reference].tolist(), powers, strict=True)
    rows += [f",,{time_s!r},{power_w!r}" for time_s, power_w in pairs]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    ("by", "of"),
    [
        ("rtx3090-step", "rtx3090-square"),
        ("rtx3090-square", "rtx3090-step"),
        ("a100-step", "a100-square"),
    ],
)
def test_another_load_of_the_card_is_inside_a_narrower_interval(by, of, column, tmp_path):
    trace, other = load(by), load(of)
    before, external_j = replay(other, column)
    calibrate_device(as_csv(trace, column, tmp_path / "trace.csv"), "card", 0.01)
    after, _ = replay(other, column)
    print(
        f"{of} {column} by {by}: {before.energy_j:.0f} ± {before.uncertainty_j:.0f} J, "
        f"then {after.energy_j:.0f} ± {after.uncertainty_j:.0f} J; external {external_j:.0f} J; {after.notes[-1]}"
    )
    assert "calibrated on" in after.notes[-1]
    assert abs(after.energy_j - external_j) <= after.uncertainty_j
    if of.startswith("rtx"):
        assert after.uncertainty_j < before.uncertainty_j / 2
        assert abs(after.energy_j / external_j - 1) < abs(before.energy_j / external_j - 1) / 2
    else:  # an A100 looks at a quarter of the time, and its square wave is in rhythm with that
        assert "the interval stays as wide" in after.notes[-1]


@pytest.mark.parametrize("name", ["rtx3090-square", "rtx3090-step", "a100-step"])
def test_the_rest_of_a_trace_is_inside_a_narrower_interval(name, tmp_path):
    column = "smi_draw_instant_w"
    trace = load(name)
    marks = trace["load_mark_s"]
    until_s = float((marks[0] + 2 * marks[-1]) / 3)
    rest = {**trace, "load_mark_s": np.array([until_s, marks[-1] - 0.2])}
    before, external_j = replay(rest, column)
    calibrate_device(as_csv(trace, column, tmp_path / "trace.csv", until_s), "card", 0.01)
    after, _ = replay(rest, column)
    print(
        f"{name}: {before.energy_j:.0f} ± {before.uncertainty_j:.0f} J, then {after.energy_j:.0f} ± {after.uncertainty_j:.0f} J; external {external_j:.0f} J"
    )
    assert "calibrated on" in after.notes[-1]
    assert abs(after.energy_j - external_j) <= after.uncertainty_j
    assert abs(after.energy_j - external_j) < abs(before.energy_j - external_j) / 3
    if name.startswith("rtx"):
        assert after.uncertainty_j < before.uncertainty_j / 3


@pytest.mark.parametrize(
    ("name", "column", "error", "averaging_s"),
    [
        ("a100-step", "smi_draw_w", -0.058, 0.025),
        ("a100-step", "smi_draw_instant_w", -0.058, 0.025),
        ("rtx3090-step", "smi_draw_w", -0.055, 1.0),
        ("rtx3090-step", "smi_draw_instant_w", -0.055, 0.1),
        ("rtx3090-square", "smi_draw_average_w", -0.055, 1.0),
        ("rtx3090-square", "smi_draw_instant_w", -0.055, 0.1),
    ],
)
def test_gain_and_lag_are_those_of_the_study(name, column, error, averaging_s):
    """Errors by card, and the share of the time that the readings cover, are the study's (SC24)."""
    trace = load(name)
    found = calibrate(trace["smi_time_s"], trace[column], trace["external_time_s"], trace["external_power_w"])
    for level_w in (found.highest_w, (found.lowest_w + found.highest_w) / 2):
        assert found.gain + found.offset_w / level_w - 1 == pytest.approx(error, abs=0.014)
    assert found.averaging_s == pytest.approx(averaging_s, rel=0.15, abs=0.015)
    assert abs(found.delay_s) < 0.02


@pytest.mark.parametrize("column", COLUMNS)
def test_a_square_wave_of_the_rhythm_of_the_readings_is_refused(column):
    """Its phase cancels the gain of an A100, which looks at a quarter of the time: no error here is luck."""
    trace = load("a100-square")
    with pytest.raises(UserError, match="too loosely"):
        calibrate(trace["smi_time_s"], trace[column], trace["external_time_s"], trace["external_power_w"])


def test_the_command_reads_their_files(capsys):
    load("rtx3090-step")
    assert main(["doctor", "--calibrate", str(FOLDER / "rtx3090-step.npz"), "--device", "GPU-1"]) == 0
    assert "times narrower" in capsys.readouterr().out
