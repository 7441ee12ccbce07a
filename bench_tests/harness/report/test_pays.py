"""The first table: which techniques pay, by the verdicts on all workloads."""

import math
from dataclasses import replace

import pytest

from bench_tests.harness.made_records import followed, record_of, training_result
from greenbench.energy.carbon import carbon_intensity
from greenbench.report.pays import pays_table
from greenbench.report.sections import split_into_sections
from greenbench.report.table import FIXED_COLUMNS, MAX_COLUMNS

SEEDS = 8
SHIFTS = (0.0, 0.001, -0.001, 0.002, 0.0, -0.002, 0.001, -0.001)


def runs(technique, score, seconds=10.0, workload="digits"):
    """Return records whose scores and times scatter a little."""
    return [
        record_of(
            technique,
            training_result(round((score + shift) * 5000) / 5000, seconds=seconds * (1 + 5 * shift)),
            seed=seed,
            workload=workload,
        )
        for seed, shift in enumerate(SHIFTS)
    ]


def table_of(*records):
    (section,) = split_into_sections(records)
    (table,) = pays_table(section, carbon_intensity("300 g/kWh"))
    return table


def texts(table, label):
    return [cell.text() for cell in next(row for row in table.rows if row.label == label).cells]


CASES = {
    "better": ((0.95, 10.0), (0.95, 10.0), "yes", "better"),
    "better_on_one": ((0.95, 10.0), (0.9, 10.0), "yes", "better on Digits, same on Scenes"),
    "worse": ((0.85, 5.0), (0.85, 5.0), "no", "worse"),
    "mixed": ((0.95, 10.0), (0.85, 10.0), "not decided", "better on Digits, worse on Scenes"),
    "cheap": ((0.9, 5.0), (0.9, 10.0), "yes", "same"),
    "dear": ((0.9, 20.0), (0.9, 10.0), "no", "same"),
    "alike": ((0.9, 10.0), (0.9, 10.0), "not decided", "same"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_technique_pays_by_its_scores_and_where_they_are_the_same_by_its_costs(name):
    digits, scenes, pays, words = CASES[name]
    table = table_of(
        *runs("baseline", 0.9),
        *runs("baseline", 0.9, workload="scenes"),
        *runs(name, *digits),
        *runs(name, *scenes, workload="scenes"),
    )
    found = texts(table, name.capitalize())
    assert (found[0], found[-1]) == (pays, words)
    assert table.title == "Which techniques pay, on Digits and Scenes"
    assert table.rows[0].n == 2 * SEEDS
    assert len(table.columns) + len(FIXED_COLUMNS) <= MAX_COLUMNS


def test_gain_and_cost_are_means_over_the_workloads():
    table = table_of(
        *runs("baseline", 0.9),
        *runs("baseline", 0.9, workload="scenes"),
        *runs("mixup", 0.92, 20.0),
        *runs("mixup", 0.94, 5.0, workload="scenes"),
    )
    _, gain, time, *_ = texts(table, "Mixup")
    assert gain.startswith("+3.0 ± ")
    assert time.startswith("1.00 × (")
    assert not any(row.label == "Baseline" for row in table.rows)


def test_the_cost_until_the_baseline_s_score_is_there_where_all_runs_reach_it():
    records = [
        followed(name, scores, seed=seed, seconds=seconds * (1 + seed / 100), power_w=10.0)
        for name, scores, seconds in (
            ("baseline", [0.4, 0.6], 2.0),
            ("quick", [0.4, 0.6], 1.0),
            ("poor", [0.4, 0.5], 3.0),
        )
        for seed in range(4)
    ]
    table = table_of(*records)
    assert table.columns == ("Pays", "Gain", "Energy", "To the score", "CO₂", "Score")
    assert texts(table, "Quick")[4] == "1.69 mg"  # 20.3 J at 300 g/kWh
    assert "at 300 g/kWh" in table.footnotes[1]
    assert texts(table, "Quick")[3] == "0.50 ×"
    assert texts(table, "Poor")[3] == "–"


def test_one_run_decides_nothing_and_has_no_interval():
    table = table_of(record_of(), record_of("mixup", training_result(0.95)))
    found = texts(table, "Mixup")
    assert found[0] == "not decided"
    assert found[1] == "+5.0"
    assert math.isclose(float(found[2].split()[0]), 1.0)


def test_a_score_that_is_better_when_lower_gains_when_it_falls():
    def lower(record):
        metric = replace(record.workload.metric, better="lower")
        return replace(record, workload=replace(record.workload, metric=metric))

    table = table_of(*map(lower, [*runs("baseline", 0.3), *runs("mixup", 0.2)]))
    found = texts(table, "Mixup")
    assert found[0] == "yes"
    assert found[1].startswith("+10.0 ± ")


def test_without_a_baseline_there_is_no_such_table():
    (section,) = split_into_sections(runs("mixup", 0.9))
    assert not list(pays_table(section, carbon_intensity("world")))
