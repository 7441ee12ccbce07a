"""The comparison with other meters: what it counts as right, and that it measures what it says."""

from __future__ import annotations

import pytest

from bench_tests.speed.meters import CASES, Case, _Bench, is_right


@pytest.mark.parametrize(
    ("right", "energy_j", "verdict"),
    [
        ("figure", 601.0, True),
        ("figure", 700.0, False),
        ("figure", 0.0, False),
        ("figure", None, False),
        ("either", 601.0, True),
        ("either", -701.0, False),
        ("either", 0.0, False),
        ("either", None, True),
        ("none", 600.0, False),
        ("none", 0.0, False),
        ("none", None, True),
    ],
)
def test_right_is_the_true_figure_or_none_where_there_can_be_none(right, energy_j, verdict):
    answer = {"energy_j": energy_j, "true_j": 600.0, "said": "", "warnings": []}
    assert is_right(Case("a fault", right=right), answer) is verdict


def test_an_exception_is_no_figure():
    answer = {"raised": "GpuError: lost", "warnings": []}
    assert is_right(Case("a fault", right="either"), answer)
    assert not is_right(Case("no fault", right="figure"), answer)


def test_no_rule_favors_a_meter_that_never_answers():
    assert sum(case.right == "figure" for case in CASES) >= 4


@pytest.mark.usefixtures("stub_library")
def test_a_child_measures_on_the_stub_and_knows_the_truth(tmp_path):
    answer = _Bench(tmp_path).fault("greenbench", Case("short", right="figure", seconds=1.5))
    assert answer["energy_j"] == pytest.approx(answer["true_j"], rel=0.05)
    assert answer["said"].startswith("measured-short")
