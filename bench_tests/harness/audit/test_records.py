"""A user's own records are judged by the rules that find what is wrong in the published tables."""

from dataclasses import replace

import pytest

from greenbench.audit import audit_records, check_records, known_boards
from greenbench.case import Case
from greenbench.cli import main
from greenbench.energy import Reading, Status
from greenbench.energy.device import EdgeState
from greenbench.records.machine import Machine
from greenbench.protocol import find_protocol
from greenbench.records.record import SCHEMA, DataFacts, Record, RecordFolder, TechniqueFacts
from greenbench.records.results import BatchProfile, Epoch, InferenceResult, TrainingResult

MACHINE = Machine("cpu", 2, "NVIDIA H200", "GPU-1", "590", "2.15", "0.30", "3.11", "0.1.0", 1)


def reading(energy_j, seconds, status=Status.MEASURED):
    return Reading(energy_j, status, "nvml-counter", seconds, device="NVIDIA H200")


def record(kind, technique, dataset, **content):
    case = Case(kind, technique, "0" * 64, dataset, find_protocol("paper"), 0)
    return Record(
        schema=SCHEMA,
        key=case.key,
        case=case,
        machine=MACHINE,
        session="s",
        suite_commit=None,
        started_at="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        technique=TechniqueFacts(
            title=technique,
            category="Baseline",
            citation="-",
            file="-",
            card="",
            code="",
            changed_fields=(),
        ),
        data=DataFacts(dataset, "classification", 50_000, 10_000, "1"),
        training=content.get("training"),
        inference=content.get("inference"),
    )


def inference_record(dataset="cifar100", technique="baseline", power_w=300.0, conv_macs=1_297_809_408):
    side = 32 if dataset == "cifar100" else 64
    params = 23_705_252 if dataset == "cifar100" else 23_910_152
    profile = BatchProfile(
        batch_size=1,
        passes=10_000,
        latency_ms=2.0,
        latency_low_ms=1.9,
        latency_high_ms=2.1,
        repeat_medians_ms=(2.0,),
        energy_per_image=reading(power_w * 0.002, 0.002),
    )
    result = InferenceResult((side, side), params, conv_macs, conv_macs, (profile,))
    return record("inference", technique, dataset, inference=result)


def training_record(technique="baseline", energy_j=2e6, status=Status.MEASURED):
    result = TrainingResult(
        status="finished",
        metric="top1",
        steps=78_200,
        diverged_at_step=None,
        train={"top1": 0.99},
        heldout={"top1": 0.78},
        best_heldout=0.78,
        best_epoch=200,
        train_seconds=energy_j / 400,
        evaluation_seconds=1.0,
        energy=reading(energy_j, energy_j / 400, status),
        evaluation_energy=reading(1.0, 1.0),
        curve=(),
    )
    return record("training", technique, "cifar100", training=result)


def clean_records():
    tiny = inference_record("tiny_imagenet", conv_macs=5_191_237_632)
    return [inference_record(), tiny, training_record(), training_record("random_gradient", 2.01e6)]


def rules_of(records):
    return {finding.rule for finding in audit_records(records)}


def test_clean_records_trip_nothing():
    assert audit_records(clean_records()) == ()


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (inference_record(technique="blurpool", power_w=900), "power_above_board_limit"),
        (training_record("cyclic_lr", 2.6e6), "same_work_different_energy"),
        (inference_record("tiny_imagenet", "baseline"), "flops_ratio_against_area"),
        (inference_record("cifar100", "coordconv", conv_macs=1_299_578_880), "params_not_those_of_the_technique"),
        (inference_record(conv_macs=1_297_809_408_000), "faster_than_the_board"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_in_the_study_would_be_caught_in_records(bad, rule):
    assert rule in rules_of([*clean_records(), bad])


def test_findings_on_records_name_file_and_field():
    bad = inference_record(technique="blurpool", power_w=900)
    (finding,) = [f for f in audit_records([bad]) if f.rule == "power_above_board_limit"]
    assert finding.cells[0] == f"{bad.file_name}: inference.batch_1.energy_j"


def test_training_energy_below_the_compute_floor_is_caught():
    starved = training_record(energy_j=1e3)
    curve = tuple(Epoch(n + 1, (32, 32), 0.1, 1.0, 1.0, None) for n in range(200))
    starved = replace(starved, training=replace(starved.training, curve=curve))
    assert "energy_below_compute_floor" in rules_of([inference_record(), starved])


def test_figures_marked_as_rough_are_not_judged():
    rough = training_record("random_gradient", 2.6e6, Status.MEASURED_SHORT)
    assert rules_of([training_record(), rough]) == set()


def with_reading(record, **changes):
    (batch,) = record.inference.batches
    batch = replace(batch, energy_per_image=replace(batch.energy_per_image, **changes))
    return replace(record, inference=replace(record.inference, batches=(batch,)))


def test_an_unknown_board_leaves_power_unjudged():
    bad = with_reading(inference_record(power_w=900), device="Board of next year")
    outcome = next(o for o in check_records([bad]) if o.rule == "power_above_board_limit")
    assert (outcome.checked, outcome.findings) == (0, ())


def test_the_limit_that_was_set_on_a_board_counts_also_on_an_unknown_one():
    limited = EdgeState("GPU-1", power_limit_w=250.0)
    for device in ("NVIDIA H200", "Board of next year"):
        record = with_reading(inference_record(power_w=300), device=device, start=limited)
        assert "power_above_board_limit" in rules_of([record])


def test_boards_have_plausible_limits_and_rates():
    assert known_boards()["NVIDIA H200"].power_limit_w == 700
    for board in known_boards().values():
        assert 50 <= board.power_limit_w <= 1500
        assert 10e12 <= board.peak_flops <= 5000e12


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
