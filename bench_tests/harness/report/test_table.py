"""Tables as data: what stands in them, what is bold, and what is said below them."""

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import (
    NOT_MEASURED,
    diverged_result,
    failure_result,
    inference_result,
    record_of,
    training_result,
)
from greenbench.energy import Reading, Status, Uncertainty
from greenbench.records.memory import PROCESS, PeakMemory
from greenbench.report.layout import layouts
from greenbench.report.table import MAX_COLUMNS, Cell, Row, Table
from greenbench.report.values import Written
from greenbench.spec.workload import Metric

from .conftest import WORLD


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def texts(table, label):
    return [cell.text() for cell in row_of(table, label).cells]


def test_a_wide_table_is_refused():
    wide = tuple(f"column {number}" for number in range(MAX_COLUMNS - 2))
    with pytest.raises(ValueError, match="has 10 columns; at most 9"):
        Table("too wide", wide, ())


def test_no_layout_is_too_wide():
    for layout in layouts(WORLD):
        judged = sum(column.headline for column in layout.columns)
        assert len(layout.columns) + judged + 3 <= MAX_COLUMNS


def test_a_row_must_fill_its_columns():
    row = Row("Mixup", (Cell(Written("1")),), (record_of(),))
    with pytest.raises(ValueError, match="has 1 cells, not 2"):
        Table("torn", ("a", "b"), (row,))


def test_training_and_inference_have_their_columns(tables_of):
    measured = Reading(100.0, Status.MEASURED, "test", 9.0)
    training, single, batch = tables_of(
        record_of(result=training_result(0.9, energy=measured)),
        record_of("mixup", training_result(0.9, energy=measured)),
        record_of(result=inference_result(2.0, energy_j=1.5)),
    )
    assert training.title == "Digits: training"
    assert training.columns == ("Accuracy train", "Accuracy validation", "Verdict", "Energy", "Time")
    assert single.title == "Digits: inference, single images"
    assert len(single.columns) + 3 == MAX_COLUMNS
    assert single.columns[-1] == "CO₂, study's formula (kg/wk)"
    assert batch.title == "Digits: inference, batches of 32"
    assert batch.columns == ("Time (ms)", "Energy (J)")


def test_each_workload_has_its_own_tables(tables_of):
    tables = tables_of(record_of(), record_of(workload="scenes"), record_of(result=inference_result(1.0)))
    assert [table.title.partition(":")[0] for table in tables] == ["Digits", "Digits", "Digits", "Scenes"]


def test_a_column_that_nothing_fills_is_left_out_with_the_reason(tables_of):
    single = tables_of(record_of(result=inference_result(2.0)))[0]
    assert single.columns == ("Params (M)", "FLOPs (G)", "Time (ms)", "CO₂, study's formula (kg/wk)")
    said = [note for note in single.footnotes if NOT_MEASURED.reason in note]
    assert len(said) == 1
    assert "left out" in said[0]


def test_a_column_that_one_run_fills_stays_with_dashes_and_the_reason(tables_of):
    (table,) = tables_of(record_of(result=training_result(0.9, energy_j=50)), record_of("mixup"))
    assert texts(table, "Mixup")[3] == "–"
    assert sum(NOT_MEASURED.reason in note for note in table.footnotes) == 1
    assert not any("left out" in note and "nergy" in note for note in table.footnotes)


def test_peak_memory_has_a_column_and_a_note(tables_of):
    memory = PeakMemory(512_000_000, PROCESS)
    training, _, batch = tables_of(
        record_of(memory=memory), record_of(result=inference_result(2.0), memory=memory)
    )
    for table in (training, batch):
        assert table.columns[-1] == "Peak memory"
        assert texts(table, "Baseline")[-1] == "512 MB"
        assert any("resident set of the process" in note for note in table.footnotes)


def test_a_peak_that_one_run_lacks_is_a_dash_with_the_reason(tables_of):
    (table,) = tables_of(
        record_of(memory=PeakMemory(512_000_000, PROCESS)),
        record_of("mixup", memory=PeakMemory(None, PROCESS, reason="no /proc")),
    )
    assert texts(table, "Mixup")[-1] == "–"
    assert "–: Peak memory is not known: no /proc." in table.footnotes


def test_where_all_diverged_the_table_still_stands(tables_of):
    (table,) = tables_of(record_of(result=diverged_result()), record_of("mixup", diverged_result(step=3)))
    assert table.columns == ("Result",)
    assert texts(table, "Mixup") == ["–"]
    assert any("diverged at step 3" in note for note in table.footnotes)
    assert any("no run gave a value" in note for note in table.footnotes)


def test_a_run_that_was_interrupted_says_so(tables_of):
    remark = "checkpoint 000003.ckpt is not used: it is damaged"
    result = training_result(0.8, resumed=2, remarks=(remark,))
    (table,) = tables_of(record_of(), record_of("mixup", result))
    assert any(
        "interrupted 2 times and went on from a checkpoint; checkpoint 000003.ckpt is not used" in note
        for note in table.footnotes
    )


def test_a_mean_over_some_of_the_runs_is_not_shown(tables_of, seeds_of):
    (table,) = tables_of(
        *seeds_of("baseline", (0.8, 0.81, 0.82)),
        *seeds_of("mixup", (0.98, 0.99)),
        record_of("mixup", diverged_result(), seed=2),
    )
    assert texts(table, "Mixup") == ["–", "–", "–"]
    assert "Verdict" not in table.columns
    assert row_of(table, "Mixup").n == 3


def test_one_run_gives_no_verdict_and_nothing_bold(tables_of):
    (table,) = tables_of(record_of(), record_of("mixup", training_result(0.99)))
    assert texts(table, "Mixup") == ["99.0%", "99.0%", "one run, no verdict", "2.00 s"]
    assert texts(table, "Baseline")[2] == ""
    assert not any(cell.bold or cell.star for row in table.rows for cell in row.cells)


def test_bold_is_better_or_same_and_the_star_is_the_best_of_the_better(tables_of, seeds_of):
    (table,) = tables_of(
        *seeds_of("baseline", (0.800, 0.801, 0.802)),
        *seeds_of("best", (0.870, 0.871, 0.872)),
        *seeds_of("better", (0.850, 0.851, 0.852)),
        *seeds_of("same", (0.801, 0.802, 0.803)),
        *seeds_of("worse", (0.700, 0.701, 0.702)),
        *seeds_of("wild", (0.7, 0.99, 0.98)),
    )
    score = {row.label: row.cells[1] for row in table.rows}
    word = {row.label: row.cells[2].text().partition(" ")[0] for row in table.rows}
    assert word == {
        "Baseline": "",
        "Best": "better",
        "Better": "better",
        "Same": "same",
        "Worse": "worse",
        "Wild": "undecided",
    }
    assert {label for label, cell in score.items() if cell.bold} == {"Best", "Better", "Same"}
    assert {label for label, cell in score.items() if cell.star} == {"Best"}


def test_of_costs_the_least_is_the_best(tables_of):
    single = tables_of(
        record_of(result=inference_result(2.0, params=1000)),
        record_of("small", inference_result(2.0, params=900)),
        record_of("large", inference_result(2.0, params=1100)),
        record_of("equal", inference_result(2.0, params=1000)),
    )[0]
    params = {row.label: row.cells[0] for row in single.rows}
    assert {label for label, cell in params.items() if cell.star} == {"Small"}
    assert {label for label, cell in params.items() if cell.bold} == {"Small", "Equal"}


def test_the_baseline_has_no_star_of_its_own(tables_of):
    single = tables_of(
        record_of(result=inference_result(2.0, params=1000)),
        record_of("large", inference_result(3.0, params=1100)),
    )[0]
    assert not any(cell.star for row in single.rows for cell in row.cells)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([record_of()], "only the baseline was measured"),
        ([record_of("mixup")], "no baseline was measured"),
        ([record_of(seed=1), record_of("mixup", seed=3)], "a seed in common"),
    ],
)
def test_without_verdicts_the_reason_is_told(tables_of, records, reason):
    (table,) = tables_of(*records)
    assert "Verdict" not in table.columns
    assert any("Verdict is left out" in note and reason in note for note in table.footnotes)


def test_several_seeds_are_a_mean_with_its_interval(tables_of, seeds_of):
    (table,) = tables_of(*seeds_of("baseline", (0.88, 0.90, 0.92)))
    assert row_of(table, "Baseline").n == 3
    assert texts(table, "Baseline")[1] == "90.0 ± 5.0%"


def test_verdicts_over_fewer_pairs_than_runs_say_so(tables_of):
    (table,) = tables_of(
        record_of(seed=1),
        record_of("mixup", seed=1),
        record_of("mixup", training_result(0.8), seed=3),
    )
    assert row_of(table, "Mixup").n == 2
    assert texts(table, "Mixup")[2] == "one run, no verdict"
    assert any(
        note.startswith("Mixup has 1 seed in common with the baseline, of 2") for note in table.footnotes
    )


def test_a_technique_without_a_seed_in_common_says_so(tables_of, seeds_of):
    (table,) = tables_of(
        *seeds_of("baseline", (0.8, 0.81)), *seeds_of("mixup", (0.8, 0.81)), record_of("radam", seed=7)
    )
    assert texts(table, "Radam")[2] == "–"
    assert any(
        note.startswith("Radam has 0 seeds in common with the baseline, of 1") for note in table.footnotes
    )


def test_energy_carries_its_interval_and_marks_what_is_no_full_measurement(tables_of):
    sure = Reading(100.0, Status.MEASURED, "test", 9.0, uncertainty=Uncertainty(gain_j=5.0, tick_j=1.0))
    short = Reading(50.0, Status.MEASURED_SHORT, "test", 1.0, "window of 1 s is shorter than 5 s")
    guess = Reading(20.0, Status.ESTIMATED, "estimate", 1.0, "65 W stated")
    (table,) = tables_of(
        record_of(result=training_result(0.9, energy=sure)),
        record_of("mixup", training_result(0.9, energy=short)),
        record_of("radam", training_result(0.9, energy=guess)),
    )
    assert texts(table, "Baseline")[3] == "100 J ± 2%"
    assert texts(table, "Mixup")[3] == "50.0 J†"
    assert texts(table, "Radam")[3] == "20.0 J est."
    notes = "\n".join(table.footnotes)
    assert "†: measured over a short time" in notes
    assert "window of 1 s is shorter" in notes
    assert "est.: estimated from a stated power" in notes
    assert "another 10% (95 %)" in notes


def test_scaled_energy_says_so(tables_of):
    part = Reading(10.0, Status.MEASURED, "test", 9.0, "blocks of steps").scaled(20)
    (table,) = tables_of(record_of(result=training_result(0.9, energy=part)))
    assert any("scaled to the whole" in note and "blocks of steps" in note for note in table.footnotes)


def test_repeats_give_one_run_its_interval_and_runs_give_theirs(tables_of):
    one = inference_result(2.0)
    one = replace(one, single=replace(one.single, repeat_medians_ms=(1.9, 2.0, 2.1)))
    single = tables_of(record_of(result=one))[0]
    assert texts(single, "Baseline")[2] == "2.00 ± 0.25"
    other = replace(one, single=replace(one.single, latency_ms=4.0))
    single = tables_of(record_of(result=one), record_of(result=other, seed=1))[0]
    assert texts(single, "Baseline")[2].startswith("3.00 ± 12.7")


def test_co2_is_that_of_a_week_at_the_intensity(tables_of):
    single = tables_of(
        record_of(result=inference_result(2.0, params=2_000_000, energy_j=1.5)), carbon="432 g/kWh"
    )[0]
    # 1.5 J x 18,144,000 images = 7.56 kWh
    assert texts(single, "Baseline") == ["2.000", "0.0050", "2.00", "1.500", "3.3", "8.8"]
    assert any("432 g/kWh" in note for note in single.footnotes)


def test_a_metric_of_another_kind_has_its_unit_and_direction(tables_of):
    error = Metric("accuracy", "RMSE", unit="m", better="lower")
    records = [
        record_of(name, training_result(score + seed / 1000), seed=seed, metric=error)
        for name, score in (("baseline", 4.0), ("mixup", 2.0))
        for seed in range(3)
    ]
    (table,) = tables_of(*records)
    assert table.columns[:2] == ("RMSE train", "RMSE validation")
    assert texts(table, "Mixup")[1].startswith("2.001 m")
    assert texts(table, "Mixup")[2] == "better -2 ± 0"


def test_a_failed_run_has_a_row_that_says_how(tables_of, seeds_of):
    (table,) = tables_of(
        *seeds_of("baseline", (0.9, 0.91)),
        *seeds_of("mixup", (0.9, 0.91)),
        record_of("mixup", failure_result(), seed=2),
        record_of("mixup", failure_result(), seed=3),
        record_of("radam", failure_result("OSError: no data", stage="data")),
    )
    failed = [row for row in table.rows if row.failure]
    assert [(row.label, row.failure, row.n) for row in failed] == [
        ("Mixup", "failed: training: ZeroDivisionError: division by zero", 0),
        ("Radam", "failed: data: OSError: no data", 0),
    ]
    assert [record.case.seed for record in failed[0].records] == [2, 3]
    assert row_of(table, "Mixup").n == 2


def test_failed_inference_stands_in_one_table_alone(tables_of):
    tables = tables_of(
        record_of(result=inference_result(2.0)),
        record_of("blurpool", failure_result(stage="inference"), kind="inference"),
    )
    assert [sum(bool(row.failure) for row in table.rows) for table in tables] == [1, 0]


def test_a_workload_where_all_failed_has_its_table(tables_of):
    (table,) = tables_of(record_of(result=failure_result()), record_of("mixup", failure_result()))
    assert table.columns == ("Result",)
    assert [row.n for row in table.rows] == [0, 0]


def test_rows_are_the_baseline_then_by_category_and_name(tables_of):
    def of(name, category):
        record = record_of(name)
        return replace(record, technique=replace(record.technique, category=category))

    (table,) = tables_of(
        of("zeta", "Architecture Modification"),
        of("alpha", "Loss Function"),
        of("other", "Made Up"),
        of("beta", "Loss Function"),
        record_of(),
    )
    assert [row.label for row in table.rows] == ["Baseline", "Zeta", "Alpha", "Beta", "Other"]
    (table,) = tables_of(of("zeta", "Architecture Modification"), of("baseline", "Made Up"))
    assert [row.label for row in table.rows] == ["Baseline", "Zeta"]


def test_techniques_of_one_title_are_told_apart(tables_of):
    (table,) = tables_of(record_of("one", title="Same"), record_of("two", title="Same"))
    assert [row.label for row in table.rows] == ["Same (one)", "Same (two)"]


def test_every_row_names_its_records_by_seed(tables_of):
    (table,) = tables_of(*(record_of(seed=seed) for seed in (3, 1, 2)))
    assert [record.case.seed for record in table.rows[0].records] == [1, 2, 3]


def test_notes_on_weights_disturbances_and_better_epochs(tables_of):
    (table,) = tables_of(
        record_of(
            result=training_result(0.8, best=0.95, best_epoch=3),
            weights="resnet18-f37072fd.pth",
            disturbed="pid 7 (train.py) used the GPU",
        )
    )
    notes = "\n".join(table.footnotes)
    assert "The networks on Digits started from the weights resnet18-f37072fd.pth." in notes
    assert "Baseline, seed 0, 95.0% in epoch 3" in notes
    assert "Disturbed: pid 7 (train.py) used the GPU." in notes


def test_a_table_says_each_remark_once(tables_of):
    (table,) = tables_of(*(record_of(name) for name in ("baseline", "mixup", "radam")))
    assert len(set(table.footnotes)) == len(table.footnotes)


def test_what_the_best_epoch_would_add_is_told(tables_of):
    records = [
        record_of("baseline", training_result(0.9, best=0.9)),
        record_of("mixup", training_result(0.8, best=0.83)),
        record_of("mixup", training_result(0.8, best=0.81), seed=1),
        record_of("radam", training_result(0.7, best=0.71)),
    ]
    (table,) = tables_of(*records)
    (said,) = [note for note in table.footnotes if "last epoch" in note]
    assert said.endswith("is 1 points better in the mean of techniques, and 2 points for Mixup.")
    assert not any("last epoch" in note for note in tables_of(records[0])[0].footnotes)


@pytest.mark.parametrize(
    ("part", "words"), [("order", "the order of the data alone"), ("init", "weights alone")]
)
def test_seeds_that_vary_one_part_are_told(tables_of, part, words):
    setting = {"epochs": 1, "vary": part}
    (table,) = tables_of(record_of(setting=setting), record_of("mixup", setting=setting))
    assert any(words in note for note in table.footnotes)
    assert not any("Seeds vary" in note for note in tables_of(record_of())[0].footnotes)
