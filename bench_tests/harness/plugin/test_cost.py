"""Cost cases under pytest: run where they are asked for, and in a table of their own."""

import pytest

from greenbench.records.folder import load_records
from greenbench.records.results import Cost
from greenbench.spec.case import RANDOM


def collected(result):
    return {line.partition("::")[2] for line in result.outlines if "::" in line}


def test_they_are_left_out_unless_the_mark_or_the_file_asks_for_them(run_study):
    focal = ("--collect-only", "-q", "-k", "focal and digits")
    assert collected(run_study(*focal)) == {"test_training[focal-digits]"}
    wanted = {"test_cost[focal-digits]"}
    assert collected(run_study(*focal, "-m", "cost")) == wanted
    assert collected(run_study(*focal, "test_cost.py")) == wanted


def test_workloads_without_their_data_take_part(run_study):
    result = run_study("--collect-only", "-q", "-m", "cost", "--green-scale=paper", "-k", "baseline")
    datasets = ("cifar100", "tiny_imagenet", "cityscapes", "coco_stuff")
    assert collected(result) == {f"test_cost[baseline-{name}]" for name in datasets}


@pytest.mark.slow
def test_a_cost_has_its_own_table_and_resumes(run_study, pytester):
    arguments = ("--green-scale=tiny", "-m", "cost", "-k", "baseline-digits or baseline-scenes4")
    result = run_study(*arguments, "-k", "baseline-scenes4")
    assert result.ret == 0, "\n".join(result.outlines)
    (record,) = load_records(pytester.path / "out")
    assert isinstance(record.result, Cost)
    assert record.case.setting["data"] != RANDOM
    report = (pytester.path / "out" / "report.md").read_text()
    assert "### Scenes-4: what a training would cost, on its own data" in report
    assert "Images/s" in report
    again = run_study(*arguments, "-k", "baseline-scenes4", "--green-resume")
    assert any("1 finished cases of an earlier run were kept" in line for line in again.outlines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--green-budget=5 miles",), "*budget '5 miles' is no amount above 0 with one of the units*MJ*"),
        (("--green-budget=3EUR",), "*give the price of one*--green-price*"),
        (("--green-budget=",), "*budget '' is no amount above 0*"),
        (("--green-budget=2h", "-n2"), "*a budget is kept by one process alone; leave -n out*"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_before_anything_runs(run_study, arguments, said):
    result = run_study(*arguments, "-k", "baseline-digits")
    assert result.ret == 4
    result.stderr.fnmatch_lines([said])


def test_a_budget_of_energy_without_a_meter_is_refused_before_anything_runs(run_study, pytester):
    result = run_study("--green-scale=tiny", "--green-budget=5MJ", "-k", "baseline-digits and training")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*needs energy, which is not measured here*"])
    assert not (pytester.path / "out").exists()


def test_a_run_ends_before_the_case_that_would_exceed_its_budget(run_study):
    result = run_study(
        "--green-scale=tiny",
        "--green-budget=1 us",
        "-m",
        "training",
        "-k",
        "digits and (baseline or focal)",
    )
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*stopped before *of the budget of 1 us*are left after*"])
