"""The comparison with other meters: what it counts as right, and that it measures what it says."""

from __future__ import annotations

import pynvml
import pytest

from bench_tests.nvml_stub.peers import Moment
from bench_tests.speed.__main__ import tables
from bench_tests.speed.meter_faults import CASES, Case
from bench_tests.speed.meters import LENGTHS_S, LOADS, METERS, _Bench, _report, is_right


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


def test_to_end_the_program_is_no_number_either():
    assert is_right(Case("a fault", right="none"), {"exit_code": 70})
    assert not is_right(Case("no fault", right="number"), {"exit_code": 70})


@pytest.mark.parametrize("right", ["number", "none", "either"])
def test_a_program_that_hangs_is_never_right(right):
    assert not is_right(Case("a fault", right=right), {"hung_s": 60.0})


def test_a_line_names_moments_of_the_window():
    assert "{now} {soon:1.5} {soon:-3}".format(now=Moment(1), soon=Moment(2)) == "1.0 3.5 -1.0"


def test_no_rule_favors_a_meter_that_never_answers():
    assert sum(case.right == "number" for case in CASES) >= 4


@pytest.mark.usefixtures("stub_library")
def test_a_child_measures_on_the_stub_and_knows_the_truth(tmp_path):
    answer = _Bench(tmp_path).fault("greenbench", Case("short", right="number", seconds=1.5))
    assert answer["energy_j"] == pytest.approx(answer["true_j"], rel=0.05)
    assert answer["said"].startswith("measured-short")


@pytest.mark.usefixtures("stub_library")
def test_a_child_that_outlives_its_limit_is_stopped(tmp_path):
    assert _Bench(tmp_path, limit_s=0.1).fault("greenbench", Case("short")) == {"hung_s": 0.1}


def test_the_counter_alone_leaps(stub):
    stub.command("leap 0 10 9000")
    clock = stub.clock()
    shown_j = []
    for _ in range(2):
        clock.sleep(9.95)
        shown_j.append(pynvml.nvmlDeviceGetTotalEnergyConsumption(_gpu()) / 1e3 - 1000.0)
    assert shown_j == [pytest.approx(995.0, abs=10.0), pytest.approx(1990.0 + 9000.0, abs=10.0)]
    assert stub.true_energy_j(0.0, 19.9) == pytest.approx(1990.0)


def _gpu():
    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByIndex(0)


def test_the_report_shows_every_meter_in_every_row():
    answers = {(meter, case): {"hung_s": 60.0} for meter in METERS for case in CASES}
    errors = {
        (meter, load, length): [None, 0.01] for meter in METERS for load in LOADS for length in LENGTHS_S
    }
    costs = {meter: {"young": 0.01, "old": 0.001, "edges_s": 2e-3} for meter in ("floor", *METERS)}
    report = _report(answers, errors, costs)
    assert report.count("the program hangs") == len(METERS) * len(CASES)
    assert "| cost: share of a core, window open for 45 s |" + " 0.100% |" * 5 in report


def test_the_printed_tables_are_at_most_100_columns_wide():
    meters = METERS
    rows = [
        {"case": "fault: " + "long words " * 9, **dict.fromkeys(meters, "wrong: raises " + "A" * 40)},
        {"case": "cost", "floor": "1 ms", **dict.fromkeys(meters, "0.1%")},
    ]
    faults, costs = tables(rows)
    assert max(map(len, faults.splitlines())) <= 100
    assert "floor" in costs
