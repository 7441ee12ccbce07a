"""The report: the paper's form, what is bold, what is a dash, and the same bytes every time."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import greenbench
from bench_tests.harness.made_records import (
    MACHINE,
    NOT_MEASURED,
    inference_result,
    record_of,
    training_result,
)
from greenbench.energy.carbon import carbon_intensity
from greenbench.cli import main
from greenbench.energy import Reading, Status, Uncertainty
from greenbench.errors import UserError
from greenbench.records.record import RecordFolder
from greenbench.report import write_report

ROOT = str(Path(greenbench.__file__).parents[1])


@pytest.fixture
def report_of(tmp_path):
    """Return a function that writes records and returns the report's text and its terminal form."""

    def write(*records, carbon="world"):
        folder = RecordFolder(tmp_path)
        for record in records:
            folder.write(record)
        report = write_report(tmp_path, carbon_intensity(carbon))
        return report.path.read_text(), "\n".join(report.summary)

    return write


def cells(text, title, heading="### Training"):
    """Return the cells of a technique's row in the first table after a heading."""
    table = text[text.index(heading) :]
    row = next(line for line in table.splitlines() if line.startswith(f"| {title} "))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_bold_is_same_or_better_and_the_star_is_the_best(report_of):
    text, _ = report_of(
        record_of(result=training_result(0.9, energy_j=100, seconds=10)),
        record_of("mixup", training_result(0.9, energy_j=50, seconds=20)),
        record_of("radam", training_result(0.8, energy_j=150, seconds=5)),
    )
    assert cells(text, "Baseline") == ["**90.0%** ★", "**90.0%** ★", "**100 J**", "**10.0 s**"]
    assert cells(text, "Mixup") == ["**90.0%** ★", "**90.0%** ★", "**50.0 J** ★", "20.0 s"]
    assert cells(text, "Radam") == ["80.0%", "80.0%", "150 J", "**5.00 s** ★"]


def test_what_was_not_measured_is_a_dash_with_one_footnote_and_never_0(report_of):
    text, _ = report_of(*(record_of(name, training_result(0.9)) for name in ("baseline", "mixup", "radam")))
    assert cells(text, "Mixup")[2] == "–"
    assert text.count(NOT_MEASURED.reason) == 1
    assert "0 J" not in text


def test_the_inference_table_has_params_flops_time_energy_and_co2(report_of):
    text, _ = report_of(
        record_of(result=inference_result(2.0, params=2_000_000, energy_j=1.5)),
        record_of("blurpool", inference_result(3.0, params=2_000_000)),
        carbon="432 g/kWh",
    )
    # 1.5 J x 18,144,000 frames = 7.56 kWh
    assert cells(text, "Baseline", "### Inference")[:5] == [
        "**2.000** ★",
        "**0.0050** ★",
        "**2.00** ★",
        "**1.500** ★",
        "**3.3** ★",
    ]
    assert cells(text, "Blurpool", "### Inference")[3:5] == ["–", "–"]
    assert "432 g/kWh" in text


def test_several_seeds_are_a_mean_with_its_interval(report_of):
    text, _ = report_of(
        *(record_of(result=training_result(a), seed=s) for s, a in enumerate((0.88, 0.90, 0.92)))
    )
    assert cells(text, "Baseline")[1] == "**90.0 ± 5.0%** ★"


def test_machines_and_protocols_are_never_in_one_table(report_of):
    text, _ = report_of(
        record_of(),
        record_of("mixup", machine=replace(MACHINE, gpu="GPU X")),
        record_of("radam", protocol={"width": 0.5}),
    )
    assert text.count("### Training") == 3


def test_an_older_record_of_the_same_case_gives_way_to_the_newer(report_of):
    old = record_of("mixup", training_result(0.5), started_at="2026-01-01T00:00:00+00:00")
    case = replace(old.case, technique_sha256="1" * 64)
    new = replace(
        record_of("mixup", training_result(0.6)),
        case=case,
        key=case.key,
        started_at="2026-02-01T00:00:00+00:00",
    )
    text, _ = report_of(record_of(), old, new)
    assert cells(text, "Mixup")[1] == "60.0%"
    assert "1 older records" in text


def test_a_diverged_run_has_dashes_and_a_note(report_of):
    diverged = training_result(
        0.1, status="diverged", diverged_at_step=7, heldout=None, train=None, best_heldout=None
    )
    text, _ = report_of(record_of(), record_of("radam", diverged))
    assert cells(text, "Radam") == ["–"] * 4
    assert "step 7 was not finite" in text


def test_a_better_earlier_epoch_is_told(report_of):
    text, _ = report_of(record_of(result=training_result(0.8, best_heldout=0.95, best_epoch=3)))
    assert "95.0% in epoch 3" in text


def test_cards_are_in_the_report(report_of):
    text, _ = report_of(record_of(), record_of("mixup"))
    assert "What mixup does." in text


def test_titles_cannot_break_a_table(report_of):
    record = record_of("mixup")
    record = replace(record, technique=replace(record.technique, title="a|b"))
    text, summary = report_of(record_of(), record)
    assert "a\\|b" in text
    assert "a|b" in summary


def test_the_report_command_makes_the_same_bytes_again(report_of, tmp_path, capsys):
    report_of(record_of(), record_of("mixup", training_result(0.95)), record_of(result=inference_result(2.0)))
    files = ("report.md", "report-1.svg")
    before = [(tmp_path / name).read_bytes() for name in files]
    for name in files:
        (tmp_path / name).unlink()
    # Another process has other hash seeds.
    command = [sys.executable, "-m", "greenbench.cli", "report", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ROOT})
    assert [(tmp_path / name).read_bytes() for name in files] == before
    assert main(["report", str(tmp_path)]) == 0
    assert "Mixup" in capsys.readouterr().out


def test_the_report_command_imports_no_torch(report_of, tmp_path):
    report_of(record_of())
    code = f"from greenbench.cli import main; import sys; main(['report', {str(tmp_path)!r}]); assert 'torch' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ROOT}
    )


def test_a_folder_without_records_is_refused_in_words(tmp_path, capsys):
    with pytest.raises(UserError, match="holds no records"):
        write_report(tmp_path, carbon_intensity())
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no records" in capsys.readouterr().err


def test_energy_carries_its_interval_and_marks_what_is_no_full_measurement(report_of):
    sure = Reading(100.0, Status.MEASURED, "test", 9.0, uncertainty=Uncertainty(gain_j=5.0, tick_j=1.0))
    short = Reading(50.0, Status.MEASURED_SHORT, "test", 1.0, "window of 1 s is shorter than 5 s")
    guess = Reading(20.0, Status.ESTIMATED, "estimate", 1.0, "65 W stated")
    text, _ = report_of(
        record_of(result=training_result(0.9, seconds=10, energy=sure)),
        record_of("mixup", training_result(0.9, energy=short)),
        record_of("radam", training_result(0.9, energy=guess)),
    )
    assert cells(text, "Baseline")[2] == "**100 J ± 2%**"
    assert cells(text, "Mixup")[2] == "**50.0 J†**"
    assert cells(text, "Radam")[2] == "**20.0 J est.** ★"
    assert "window of 1 s is shorter" in text
    assert "another 10% (95 %)" in text


def test_the_audit_of_the_records_is_in_the_report(report_of):
    text, _ = report_of(record_of())
    assert "find nothing in these records that cannot be" in text
    zero = Reading(1e-9, Status.MEASURED, "test", 9.0, device="NVIDIA H100 80GB HBM3")
    hot = Reading(1e6, Status.MEASURED, "test", 9.0, device="NVIDIA H100 80GB HBM3")
    text, summary = report_of(
        record_of(result=training_result(0.9, energy=hot)),
        record_of("mixup", training_result(0.9, energy=zero)),
    )
    assert "(impossible)" in text
    assert "audit: " in summary


def test_left_out_files_are_named_in_the_report(report_of, tmp_path):
    (tmp_path / "torn.json").write_text('{"schema": 1, ')
    text, summary = report_of(record_of())
    assert "torn.json" in text
    assert "torn.json" in summary
