"""The published tables and a user's records, judged with what is known of the study's networks."""

import json
import subprocess
import sys

import pytest

from bench_tests.harness.audit.gpu_records import clean_records, inference_record, training_record
from greenbench.audit.findings import Severity
from greenbench.audit.rules import RULES
from greenbench.cli import main
from greenbench.paper.audit import audit_records, audit_tables
from greenbench.paper.entries import published_entries
from greenbench.records.folder import RecordFolder


def published(rule):
    return next(outcome for outcome in audit_tables() if outcome.rule == rule)


def test_published_power_is_impossible_on_coco_stuff_in_all_eight_rows():
    impossible = [
        f for f in published("power_above_board_limit").findings if f.severity == Severity.IMPOSSIBLE
    ]
    (finding,) = impossible
    assert finding.conclusion.startswith("coco_stuff")
    assert len(finding.cells) == 16
    assert "one_branch: 3.8 J / 6.52 ms = 583 W" in finding.arithmetic


def test_published_co2_is_one_constant_times_latency_in_all_30_rows():
    (finding,) = published("co2_follows_latency").findings
    assert len(finding.cells) == 30
    assert finding.arithmetic[0].startswith("CO2 / latency: 4.3926 to 4.3929 kg/wk per ms")
    assert "7.5 (" in finding.arithmetic[1]
    assert "45.8 kg/wk per J" in finding.arithmetic[1]


def test_published_flops_grow_by_1_4_where_the_area_grows_by_1_56():
    finding = published("flops_ratio_against_area").findings[0]
    assert finding.arithmetic[0] == "baseline: 36.3G / 25.93G = 1.400"
    assert finding.bound.startswith("1.5625")


def test_published_parameters_of_table_4_are_ten_times_too_small_in_all_14_rows():
    findings = published("params_off_by_ten").findings
    assert sum(len(finding.cells) for finding in findings) == 14


def test_the_three_figures_that_no_count_reproduces_are_explained():
    findings = published("params_not_those_of_the_technique").findings
    assert [finding.cells for finding in findings] == [
        ("Table 3 coco_stuff/ge_theta/params",),
        ("Table 4 cifar100/coordconv/params",),
        ("Table 4 tiny_imagenet/coordconv/params",),
    ]
    assert "adds 1,728 to the baseline's 23,705,252" in findings[1].bound


def test_published_classes_of_coco_stuff_are_those_of_cityscapes():
    (finding,) = published("classes_without_parameters").findings
    assert "171 - 19 classes" in finding.bound


def test_published_tiny_imagenet_energy_is_below_11_6_megajoules():
    (finding,) = published("energy_below_compute_floor").findings
    assert finding.arithmetic[0].startswith("baseline: 6.89 MJ")
    assert finding.arithmetic[0].endswith("11.6 MJ")


def test_published_energy_of_equal_work_differs_by_18_29_and_38_percent():
    lines = published("same_work_different_energy").findings[-1].arithmetic
    assert [line.rpartition(" ")[0].rpartition(" ")[2] for line in lines] == ["+18", "+29", "+38"]


def test_published_half_epochs_on_coco_stuff_take_8_percent_more_than_half():
    finding = published("half_epochs_half_energy").findings[0]
    assert finding.arithmetic == ("poly_half_epochs: 35.6 MJ / (0.5 x 65.8 MJ) = 1.082, +8 %",)


def test_published_tiny_imagenet_accuracy_reads_like_top_5():
    (finding,) = published("accuracy_above_reference").findings
    assert len(finding.cells) == 14
    assert "top-5" in finding.conclusion


def test_published_rows_join_training_and_inference():
    entries = {entry.name: entry for entry in published_entries()}
    assert len(entries) == 64
    assert entries["cityscapes/blurpool"].energy_j.text == "2.892 J"
    assert entries["cityscapes/blurpool"].train_energy_j.value == pytest.approx(26.2e6)
    assert entries["cityscapes/mixup"].energy_j is None


def test_the_command_prints_the_tables_findings_as_json(capsys):
    assert main(["audit", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {"rule", "severity", "cells", "arithmetic", "bound", "conclusion"} == set(content["findings"][0])
    assert len(content["rules"]) == len(RULES) + 1
    assert sum(rule["findings"] for rule in content["rules"]) == len(content["findings"])


def test_the_command_prints_arithmetic_and_bound(capsys):
    assert main(["audit"]) == 0
    out = capsys.readouterr().out
    assert "baseline: 4.41 J / 7.81 ms = 565 W" in out
    assert "bound: 250 W, the limit of NVIDIA GeForce RTX 2080 Ti" in out


def test_auditing_the_tables_imports_no_torch():
    code = "import sys; from greenbench.cli import main; main(['audit']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# A user's own records.


def rules_of(records):
    return {outcome.rule for outcome in audit_records(records) if outcome.findings}


def test_clean_records_trip_nothing_and_are_held_against_the_published_counts():
    outcomes = {outcome.rule: outcome for outcome in audit_records(clean_records())}
    assert not any(outcome.findings for outcome in outcomes.values())
    assert outcomes["params_not_those_of_the_technique"].checked == 4  # two networks, two batch sizes


@pytest.mark.parametrize(
    ("bad", "rules"),
    [
        (
            inference_record("tiny_imagenet", macs=1_297_809_408),
            {"flops_ratio_against_area", "flops_of_another_input"},
        ),
        (
            inference_record("cifar100", "coordconv", macs=1_299_578_880),
            {"params_not_those_of_the_technique"},
        ),
    ],
    ids=["flops", "params"],
)
def test_records_that_do_not_count_as_the_studys_networks_are_found(bad, rules):
    assert rules_of([*clean_records(), bad]) == rules


@pytest.mark.parametrize(
    "facts",
    [{"setting": {"network": {"width": 0.25}}}, {"setting": {}}],
    ids=["narrow", "unknown"],
)
def test_networks_that_are_not_the_studys_are_held_against_none_of_its_counts(facts):
    bad = inference_record("tiny_imagenet", macs=1_297_809_408, **facts)
    assert rules_of([inference_record("cifar100", **facts), bad]) == set()


def test_the_command_fails_on_records_with_findings_and_passes_clean_ones(tmp_path, capsys):
    folder = RecordFolder(tmp_path)
    for clean in clean_records():
        folder.write(clean)
    assert main(["audit", str(tmp_path)]) == 0
    folder.write(inference_record(technique="blurpool", power_w=900))
    assert main(["audit", str(tmp_path), "--json"]) == 1
    assert "power_above_board_limit" in capsys.readouterr().out


def test_the_command_names_files_that_it_leaves_out(tmp_path, capsys):
    RecordFolder(tmp_path).write(clean_records()[0])
    (tmp_path / "torn.json").write_text('{"schema":')
    assert main(["audit", str(tmp_path)]) == 0
    assert "torn.json" in capsys.readouterr().err


def test_a_folder_without_records_is_refused(tmp_path, capsys):
    assert main(["audit", str(tmp_path)]) == 2
    assert main(["audit", str(tmp_path / "missing")]) == 2
    err = capsys.readouterr().err
    assert "holds no records" in err
    assert "is not a folder" in err


def test_a_forged_record_is_a_finding_of_the_command(tmp_path, capsys):
    for record in clean_records():
        RecordFolder(tmp_path).write(record)
    (tmp_path / "other.json").write_text("{}")
    assert main(["audit", str(tmp_path)]) == 0
    path = RecordFolder(tmp_path).write(training_record("forged", -1.0))
    capsys.readouterr()
    assert main(["audit", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "[impossible] record_of_no_run" in printed.out
    assert path.name in printed.out
    assert "the seconds of training are -0.0025" in printed.out
    assert "other.json" in printed.err
