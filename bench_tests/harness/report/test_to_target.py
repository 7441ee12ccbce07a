"""The tables of what it costs to reach a score."""

import json

import pytest

from bench_tests.harness.made_records import followed, inference_result, record_of, training_result
from greenbench.records.folder import RecordFolder
from greenbench.records.results import Imported, Point
from greenbench.report.sections import split_into_sections
from greenbench.report.table import FIXED_COLUMNS, MAX_COLUMNS
from greenbench.report.to_target import target_tables


def tables_of(*records):
    return [table for section in split_into_sections(records) for table in target_tables(section)]


def texts(table, label):
    return [cell.text() for cell in next(row for row in table.rows if row.label == label).cells]


def study(seeds=4, **facts):
    """Return a baseline, one that is as good in half the time, and one that is never as good."""
    return [
        followed(name, scores, seed=seed, seconds=seconds * (1 + seed / 100), power_w=10.0, **facts)
        for name, scores, seconds in (
            ("baseline", [0.4, 0.6], 2.0),
            ("quick", [0.4, 0.6], 1.0),
            ("poor", [0.4, 0.5], 3.0),
        )
        for seed in range(seeds)
    ]


def test_a_technique_has_its_costs_its_ratio_and_its_verdict():
    (table,) = tables_of(*study())
    assert table.title == "Digits: cost to reach the baseline's 60.0%"
    assert table.columns == ("Reached", "Steps", "Energy", "Ratio", "Verdict", "On the front")
    assert len(table.columns) + len(FIXED_COLUMNS) == MAX_COLUMNS
    assert texts(table, "Baseline") == ["4 of 4", "20", "40.6 J", "", "", "no, 0%"]
    assert texts(table, "Quick") == [
        "4 of 4",
        "20",
        "20.3 J",
        "0.50 × (0.50 to 0.50)",
        "better, p < 0.001",
        "yes, 100%",
    ]
    assert texts(table, "Poor") == ["0 of 4", "–", "–", "–", "worse, p = 0.029", "no, 0%"]
    quick, poor = (next(row for row in table.rows if row.label == name) for name in ("Quick", "Poor"))
    assert quick.cells[3].bold
    assert quick.cells[3].star
    assert not poor.cells[3].bold


def test_a_stated_target_has_a_table_of_its_own():
    own, stated = tables_of(*study(targets=(0.55,)))
    assert stated.title == "Digits: cost to reach 55.0%"
    assert "On the front" in own.columns
    assert "On the front" not in stated.columns
    assert texts(stated, "Poor")[-1] == "worse, p = 0.029"


def test_one_run_has_no_verdict():
    (table,) = tables_of(*study(seeds=1))
    assert texts(table, "Quick")[3:] == ["0.50 ×", "one run, no verdict", "yes"]
    assert not any(cell.bold for row in table.rows for cell in row.cells)


def test_how_it_is_counted_is_said_once_below_it():
    (table,) = tables_of(*study(), followed("baseline", [0.4, 0.7], seed=9))
    assert "log-rank" in table.footnotes[0]
    assert "missed by about half of the baseline's own runs" in table.footnotes[1]
    assert not any("missed by" in note for note in tables_of(*study())[0].footnotes)


def imported(technique, scores, seed, **spent):
    """Return a run of a table with these scores after its epochs; `spent` is what an epoch took."""
    curve = tuple(
        Point(number, score, **{name: number * each for name, each in spent.items()})
        for number, score in enumerate(scores, 1)
    )
    end = curve[-1]
    result = Imported(2, end.score, end.energy_j, end.seconds, end.steps, curve=curve)
    return record_of(technique, result, seed=seed, kind="imported", setting={})


@pytest.mark.parametrize(
    ("spent", "columns", "cells"),
    [
        ({"energy_j": 5.0, "seconds": 2.0}, ("Reached", "Energy"), ["4 of 4", "5.00 J"]),
        ({"seconds": 2.0, "steps": 3.0}, ("Reached", "Steps", "Time"), ["4 of 4", "3", "2.00 s"]),
        ({"steps": 3.0}, ("Reached", "Steps"), ["4 of 4", "3"]),
    ],
)
def test_a_table_made_elsewhere_has_them_too(spent, columns, cells):
    records = [imported("baseline", [0.1, 0.5], seed, **spent) for seed in range(4)]
    records += [imported("quick", [0.5], seed, **spent) for seed in range(4)]
    (table,) = tables_of(*records)
    assert table.columns == (*columns, "Ratio", "Verdict", "On the front")
    assert texts(table, "Quick")[: len(cells)] == cells
    assert texts(table, "Quick")[-2:] == ["better, p < 0.001", "yes, 100%"]


def test_without_curves_the_front_has_its_own_table():
    slow = record_of("mixup", training_result(0.9, seconds=9.0))
    (table,) = tables_of(record_of(), slow, record_of(result=inference_result(2.0)))
    assert table.title == "Digits: front of score against time"
    assert [(row.label, row.cells[0].text()) for row in table.rows] == [("Baseline", "yes"), ("Mixup", "no")]
    assert tables_of(record_of(), record_of(result=inference_result(2.0))) == []


def test_they_stand_in_the_report(report_of, tmp_path):
    text, summary = report_of(*study())
    rows = json.loads((tmp_path / "targets.json").read_text())
    assert [(row["technique"], row["word"], row["reached"]) for row in rows] == [
        ("baseline", "undecided", 4),
        ("poor", "worse", 0),
        ("quick", "better", 4),
    ]
    assert not RecordFolder(tmp_path).read()[1]
    assert "### Digits: cost to reach the baseline's 60.0%" in text
    assert "**0.50 × (0.50 to 0.50)** ★" in text
    assert any("cost to reach the baseline's 60.0%" in line for line in summary)


def test_no_file_of_an_earlier_report_is_left(report_of, tmp_path):
    (tmp_path / "targets.json").write_text("[]")
    report_of(record_of())
    assert not (tmp_path / "targets.json").exists()
