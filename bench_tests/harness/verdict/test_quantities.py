"""Every quantity is taken from a record as its name says, and no other way."""

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import (
    diverged_result,
    failure_result,
    inference_result,
    reading_of,
    record_of,
    training_result,
)
from greenbench.energy.carbon import CarbonIntensity, carbon_intensity
from greenbench.errors import UserError
from greenbench.records.memory import PROCESS, PeakMemory
from greenbench.records.results import Cost, Imported
from greenbench.report.values import measured
from greenbench.spec.workload import ACCURACY, Metric
from greenbench.verdict.quantities import (
    BATCH_LATENCY,
    LATENCY,
    PAPER_CO2,
    QUANTITIES,
    SCORE,
    find_quantity,
    shown_quantities,
)

TRAINING = record_of(
    result=training_result(0.9, energy_j=50.0, seconds=2.5, train={"accuracy": 0.95, "other": 1.0}),
    memory=PeakMemory(300_000_000, PROCESS),
)
_INFERENCE = inference_result(4.0, params=1234, energy_j=0.5)
INFERENCE = record_of(
    result=replace(
        _INFERENCE,
        large=replace(
            _INFERENCE.large,
            latency_ms=64.0,
            repeat_medians_ms=(32.0, 64.0, 96.0),
            energy_per_image=reading_of(0.25, 6.0),
        ),
    ),
    memory=PeakMemory(200_000_000, PROCESS),
)
COST = record_of(
    kind="cost",
    result=Cost(
        steps=1000,
        measured_steps=50,
        target=0.01,
        known=True,
        images_per_s=64.0,
        train_seconds=100.0,
        train_half_width_s=0.5,
        energy=reading_of(900.0, 100.0),
        evaluation=reading_of(100.0, 20.0),
        setup=reading_of(20.0, 1.0),
    ),
    memory=PeakMemory(400_000_000, PROCESS),
)
IMPORTED = record_of(
    kind="imported",
    result=Imported(3, 0.8, 70.0, 3.5, 12.0),
)
OF_KIND = {"training": TRAINING, "inference": INFERENCE, "cost": COST, "imported": IMPORTED}
VALUES = {
    "score": 0.9,
    "train_score": 0.95,
    "train_energy_j": 50.0,
    "train_time_s": 2.5,
    "params": 1234,
    "conv_macs": 5_000_000,
    "latency_ms": 4.0,
    "image_energy_j": 0.5,
    "batch_latency_ms": 2.0,  # 64 ms for 32 images
    "batch_energy_j": 0.25,
    "train_memory_bytes": 3e8,
    "inference_memory_bytes": 2e8,
    "cost_time_s": 100.0,
    "cost_energy_j": 900.0,
    "case_time_s": 121.0,
    "case_energy_j": 1020.0,
    "images_per_s": 64.0,
    "cost_memory_bytes": 4e8,
    "steps": 12.0,
}
OF_A_TABLE = {"score": 0.8, "train_energy_j": 70.0, "train_time_s": 3.5, "steps": 12.0}


def co2(intensity):
    return next(one for one in shown_quantities(intensity) if one.name == "co2_kg")


def test_these_are_all():
    assert QUANTITIES.keys() == VALUES.keys()


COLUMNS = {
    "score": ("training", "training", "%", "higher", 1.0, None),
    "train_score": ("training", "training", "%", "higher", 1.0, None),
    "train_energy_j": ("training", "training", "J", "lower", 1.0, None),
    "train_time_s": ("training", "training", "s", "lower", 1.0, None),
    "train_memory_bytes": ("training", "training", "B", "lower", 1.0, None),
    "params": ("inference", "single", "", "lower", 1e6, 3),
    "conv_macs": ("inference", "single", "", "lower", 1e9, 4),
    "latency_ms": ("inference", "single", "ms", "lower", 1.0, 2),
    "image_energy_j": ("inference", "single", "J", "lower", 1.0, 3),
    "batch_latency_ms": ("inference", "batch", "ms", "lower", 1.0, 2),
    "batch_energy_j": ("inference", "batch", "J", "lower", 1.0, 3),
    "inference_memory_bytes": ("inference", "batch", "B", "lower", 1.0, None),
    "cost_time_s": ("cost", "cost", "s", "lower", 1.0, None),
    "cost_energy_j": ("cost", "cost", "J", "lower", 1.0, None),
    "case_time_s": ("cost", "cost", "s", "lower", 1.0, None),
    "case_energy_j": ("cost", "cost", "J", "lower", 1.0, None),
    "images_per_s": ("cost", "cost", "", "higher", 1.0, 0),
    "cost_memory_bytes": ("cost", "cost", "B", "lower", 1.0, None),
    "co2_kg": ("inference", "single", "kg/wk", "lower", 1.0, 1),
    "paper_co2_kg": ("inference", "single", "kg/wk", "lower", 1.0, 1),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_quantity_is_shown_in_its_table_in_its_unit_to_its_decimals(name):
    (one,) = (q for q in shown_quantities(carbon_intensity()) if q.name == name and q.kind != "imported")
    assert (one.kind, one.table, one.unit, one.better, one.scale, one.digits) == COLUMNS[name]
    assert one.headline == (name == "score")


@pytest.mark.parametrize("name", VALUES)
def test_a_quantity_has_its_value_in_a_record_of_its_kind_alone(name):
    quantity = QUANTITIES[name]
    assert quantity.name == name
    for kind, record in OF_KIND.items():
        if kind == "imported":
            assert quantity.take(record) == OF_A_TABLE.get(name)
        else:
            assert quantity.take(record) == (VALUES[name] if kind == quantity.kind else None)
    assert quantity.take(record_of(result=failure_result(), kind=quantity.kind)) is None


def test_the_columns_of_a_table_made_elsewhere_say_what_its_verdicts_say_and_why_a_value_is_missing():
    columns = [one for one in shown_quantities(carbon_intensity()) if one.kind == "imported"]
    assert {column.name: column.take(IMPORTED) for column in columns} == OF_A_TABLE
    empty = record_of(kind="imported", result=Imported(3, reasons={"energy_j": "it is empty"}))
    assert [column.why_missing(empty) for column in columns] == [None, "it is empty", None, None]
    assert columns[0].of(ACCURACY).title == "Accuracy"
    assert not any(column.take(TRAINING) for column in columns)


@pytest.mark.parametrize(
    "name", [name for name, quantity in QUANTITIES.items() if quantity.kind == "training"]
)
def test_a_diverged_run_has_no_value(name):
    assert QUANTITIES[name].take(record_of(result=diverged_result())) is None


def test_a_value_that_is_missing_says_why_where_its_record_does():
    record = record_of(result=training_result(0.5), memory=PeakMemory(None, PROCESS, reason="no /proc"))
    reasons = {name: one.why_missing(record) for name, one in QUANTITIES.items() if one.kind == "training"}
    assert reasons == {
        "score": None,
        "train_score": None,
        "train_time_s": None,
        "train_energy_j": "no meter on this machine (test)",
        "train_memory_bytes": "no /proc",
    }
    assert all(one.why_missing(TRAINING) is None for one in QUANTITIES.values())


@pytest.mark.parametrize(
    "name",
    [name for name in VALUES if name.endswith("energy_j") and QUANTITIES[name].kind != "cost"],
)
def test_an_energy_comes_with_its_reading(name):
    quantity = QUANTITIES[name]
    record = TRAINING if quantity.kind == "training" else INFERENCE
    assert quantity.reading(record).energy_j == VALUES[name]
    without = {"training": training_result(0.5), "inference": inference_result(1.0)}[quantity.kind]
    record = record_of(result=without)
    assert quantity.take(record) is None
    assert quantity.reading(record).reason == "no meter on this machine (test)"
    assert quantity.reading(record_of(result=failure_result(), kind=quantity.kind)) is None


def test_a_cost_comes_with_its_interval():
    assert measured(QUANTITIES["cost_time_s"], [COST]).half_width == 0.5
    assert QUANTITIES["case_energy_j"].reading(COST).seconds == 121.0


def test_a_time_comes_with_its_repeats():
    assert LATENCY.repeats(INFERENCE) == [4.0, 4.0, 4.0]
    assert BATCH_LATENCY.repeats(INFERENCE) == [1.0, 2.0, 3.0]
    assert LATENCY.repeats(TRAINING) == ()


def test_only_counts_are_exact():
    assert {name for name, quantity in QUANTITIES.items() if quantity.exact} == {"params", "conv_macs"}


def test_costs_are_better_when_lower():
    assert {name for name, quantity in QUANTITIES.items() if quantity.better == "higher"} == {
        "score",
        "train_score",
        "images_per_s",
    }


def test_a_score_takes_the_metric_s_title_unit_and_direction():
    perplexity = Metric("perplexity", "Perplexity", unit="nats", better="lower")
    score = SCORE.of(perplexity)
    assert (score.title, score.unit, score.better) == ("Perplexity validation", "nats", "lower")
    assert QUANTITIES["train_score"].of(ACCURACY).title == "Accuracy train"
    assert LATENCY.of(perplexity) is LATENCY


def test_a_score_is_that_of_the_workload_s_metric():
    record = record_of(result=training_result(0.9), metric=replace(ACCURACY, name="top5"))
    assert SCORE.take(record) is None


def test_values_go_by_seed_and_what_is_missing_is_absent():
    records = [
        record_of(result=training_result(0.9, energy_j), seed=seed)
        for seed, energy_j in enumerate((3.0, None, 4.0))
    ]
    assert QUANTITIES["train_energy_j"].by_seed(records) == {0: 3.0, 2: 4.0}


def test_an_unknown_name_is_refused_with_those_that_exist():
    assert find_quantity("score") is SCORE
    with pytest.raises(
        UserError, match="quantity 'speed' is unknown; choose one of train_score, score, train_energy_j"
    ):
        find_quantity("speed")


def test_carbon_follows_from_energy_and_time():
    dirty, clean = (CarbonIntensity(kg, "here", 2024, "a test") for kg in (0.8, 0.4))
    assert co2(dirty).take(INFERENCE) == pytest.approx(2 * co2(clean).take(INFERENCE))
    assert co2(clean).take(record_of(result=inference_result(1.0))) is None
    assert co2(clean).reading(INFERENCE).energy_j == 0.5
    assert PAPER_CO2.take(INFERENCE) > 0
    assert PAPER_CO2.take(TRAINING) is None
