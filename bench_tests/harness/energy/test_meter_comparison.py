"""The comparison with other meters: what it counts as right, and that it measures what it says."""

from __future__ import annotations

import pytest

from bench_tests.speed.__main__ import tables
from bench_tests.speed.meters import CASES, Case, _Bench, is_right


@pytest.mark.parametrize(
    ("right", "energy_j", "verdict"),
    [
        ("number", 601.0, True),
        ("number", 700.0, False),
        ("number", 0.0, False),
        ("number", None, False),
        ("either", 601.0, True),
        ("either", -701.0, False),
        ("either", 0.0, False),
        ("either", None, True),
        ("none", 600.0, False),
        ("none", 0.0, False),
        ("none", None, True),
    ],
)
def test_right_is_the_true_number_or_none_where_there_can_be_none(right, energy_j, verdict):
    answer = {"energy_j": energy_j, "true_j": 600.0, "said": "", "warnings": []}
    assert is_right(Case("a fault", right=right), answer) is verdict


def test_an_exception_is_no_number():
    answer = {"raised": "GpuError: lost", "warnings": []}
    assert is_right(Case("a fault", right="either"), answer)
    assert not is_right(Case("no fault", right="number"), answer)


def test_no_rule_favors_a_meter_that_never_answers():
    assert sum(case.right == "number" for case in CASES) >= 4


@pytest.mark.usefixtures("stub_library")
def test_a_child_measures_on_the_stub_and_knows_the_truth(tmp_path):
    answer = _Bench(tmp_path).fault("greenbench", Case("short", right="number", seconds=1.5))
    assert answer["energy_j"] == pytest.approx(answer["true_j"], rel=0.05)
    assert answer["said"].startswith("measured-short")


def test_the_printed_tables_are_at_most_100_columns_wide():
    meters = ("greenbench", "zeus", "codecarbon")
    rows = [
        {"case": "fault: " + "long words " * 9, **dict.fromkeys(meters, "wrong: raises " + "A" * 40)},
        {"case": "cost", "floor": "1 ms", **dict.fromkeys(meters, "0.1%")},
    ]
    faults, costs = tables(rows)
    assert max(map(len, faults.splitlines())) <= 100
    assert "floor" in costs
