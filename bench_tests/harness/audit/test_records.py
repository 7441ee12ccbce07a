"""Records become entries of the audit: what is compared, what is left out, and what is known of a board."""

from dataclasses import replace

import pytest

from bench_tests.harness.audit.gpu_records import (
    EPOCHS,
    IMAGES,
    NETWORKS,
    clean_records,
    inference_record,
    reading,
    training_record,
)
from bench_tests.harness.made_records import MACHINE, diverged_result, failure_result, record_of
from greenbench.audit import records as module
from greenbench.audit.boards import known_boards
from greenbench.audit.records import measured_networks
from greenbench.audit.rules import audit_entries
from greenbench.energy import Status
from greenbench.energy.device import EdgeState
from greenbench.records.results import Skipped


def entries_of(record, records):
    return module.entries_of(record, measured_networks(records))


def entries(records):
    return [entry for record in records for entry in entries_of(record, records)]


def outcomes(records):
    return {outcome.rule: outcome for outcome in audit_entries(entries(records))}


def rules_of(records):
    return {name for name, outcome in outcomes(records).items() if outcome.findings}


def test_a_technique_with_nothing_to_do_gives_no_entry():
    assert (
        entries([record_of("mixup", Skipped("no ReLU"), kind=kind) for kind in ("training", "inference")])
        == []
    )


def test_clean_records_trip_nothing():
    assert rules_of(clean_records()) == set()


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (inference_record(technique="blurpool", power_w=900), "power_above_board_limit"),
        (inference_record(macs=1_297_809_408_000), "faster_than_the_board"),
        (training_record("cyclic_lr", 2.6e6), "same_work_different_energy"),
        (training_record("poly_half_epochs", 1.2e6), "half_epochs_half_energy"),
        (training_record("own", 1.8e6, work_share=0.75), "half_epochs_half_energy"),
        (training_record("mixup", score=0.9), "accuracy_above_reference"),
        (training_record("mixup", energy_j=1e3), "energy_below_compute_floor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_in_the_study_would_be_caught_in_records(bad, rule):
    assert rules_of([*clean_records(), bad]) == {rule}


def test_findings_on_records_name_file_and_field():
    bad = inference_record(technique="blurpool", power_w=900)
    (finding,) = outcomes([bad])["power_above_board_limit"].findings
    assert finding.cells[0] == f"{bad.file_name}: inference.single.energy_j"


def test_numbers_marked_as_rough_are_not_judged():
    rough = training_record("random_gradient", 2.6e6, status=Status.MEASURED_SHORT)
    assert rules_of([training_record(), rough]) == set()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"machine": replace(MACHINE, driver="other")},
        {"engine": "f" * 64},
        {"setting": {"network": {}, "epochs": 100}},
        {"disturbed": "pid 7"},
    ],
    ids=lambda facts: next(iter(facts)),
)
def test_records_under_other_conditions_are_not_compared(elsewhere):
    bad = training_record("cyclic_lr", 2.6e6, **elsewhere)
    assert rules_of([*clean_records(), bad]) == set()


def test_a_run_that_diverged_and_a_failure_give_no_entry():
    records = [record_of("mixup", diverged_result()), record_of("mixup", failure_result())]
    assert entries(records) == []


def test_a_training_multiplies_three_times_as_much_as_its_passes():
    training = training_record("mixup")
    (entry,) = entries_of(training, [training, inference_record()])
    assert entry.train_macs == 3 * NETWORKS["cifar100"]["macs"] * IMAGES * EPOCHS


def test_smaller_images_multiply_less_in_proportion_to_their_area():
    training = training_record("progressive")
    curve = tuple(replace(epoch, image_size=(16, 16)) for epoch in training.result.curve)
    small = replace(training, result=replace(training.result, curve=curve))
    records = [inference_record(), training, small]
    full, quarter = (next(entries_of(record, records)).train_macs for record in (training, small))
    assert quarter == full / 4


@pytest.mark.parametrize(
    "other",
    [
        inference_record("tiny_imagenet"),
        inference_record(setting={"network": {"width": 0.25}}),
        inference_record(workload_digest="v" * 64),
        inference_record(technique="blurpool"),
        inference_record(machine=replace(MACHINE, torch="3.0")),
    ],
    ids=["workload", "width", "file", "technique", "machine"],
)
def test_the_operations_of_another_network_are_not_taken(other):
    training = training_record("mixup")
    (entry,) = entries_of(training, [training, other])
    assert entry.train_macs is None


def test_a_technique_that_changes_the_network_does_not_get_the_baselines_operations():
    training = training_record("blurpool")
    changed = replace(training, technique=replace(training.technique, changed_fields=("network",)))
    records = [changed, inference_record()]
    assert next(entries_of(changed, records)).train_macs is None
    records.append(inference_record(technique="blurpool", macs=10))
    assert next(entries_of(changed, records)).train_macs == 3 * 10 * IMAGES * EPOCHS


def with_reading(record, **changes):
    single = replace(record.result.single, energy_per_image=reading(0.9 * 2, 0.002, **changes))
    return replace(record, result=replace(record.result, single=single))


def test_an_unknown_board_leaves_power_unjudged():
    training = training_record()
    unknown = replace(training.result.energy, device="Board of next year", energy_j=1e9)
    bad = replace(training, result=replace(training.result, energy=unknown))
    outcome = outcomes([bad])["power_above_board_limit"]
    assert (outcome.checked, outcome.findings) == (0, ())


def test_the_limit_that_was_set_on_a_board_counts_also_on_an_unknown_one():
    limited = EdgeState("GPU-1", power_limit_w=250.0)
    for device in ("NVIDIA H200", "Board of next year"):
        record = with_reading(inference_record(power_w=200), device=device, start=limited)
        assert "power_above_board_limit" in rules_of([record])


def test_boards_have_plausible_limits_and_rates():
    assert known_boards()["NVIDIA H200"].power_limit_w == 700
    for board in known_boards().values():
        assert 50 <= board.power_limit_w <= 1500
        assert 10e12 <= board.peak_flops <= 5000e12
