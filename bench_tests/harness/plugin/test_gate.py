"""``--green-save``, ``--green-compare`` and ``--green-fail``, and what a user sees."""

import json

import pytest

from bench_tests.harness.made_records import rewritten
from greenbench.records.baselines import BASELINES

ONE_PAIR = ("--green-scale=tiny", "-k", "baseline-digits and training", "--green-seeds=2", "-q")


def slower(folder, factor):
    """Let the kept runs have taken another time, and be another session's."""

    def change(content):
        result = content["result"]
        result["train_seconds"] *= factor
        for epoch in result["curve"]:
            epoch["seconds"] *= factor
        content["session"] = "earlier"

    for path in folder.rglob("*.json"):
        rewritten(path, change)


@pytest.mark.slow
def test_a_run_is_kept_and_the_next_one_held_against_it(run_study, pytester):
    assert run_study(*ONE_PAIR, "--green-save=main").ret == 0
    folder = pytester.path / BASELINES / "main"
    kept = sorted(folder.rglob("*.json"))
    assert len(kept) == 2
    assert json.loads(kept[0].read_text())["case"]["technique"] == "baseline"

    same = run_study(*ONE_PAIR, "--green-resume", "--green-compare=main", "--green-fail=score:1pp")
    assert same.ret == 1, "the records of the kept run itself tell nothing"
    same.stdout.fnmatch_lines(["*nothing was compared: both sides are the same runs*"])

    slower(folder, 0.05)
    result = run_study(
        *ONE_PAIR, "--green-compare=main", "--green-fail=time:20% accuracy:1pp", "--green-save=next"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*against main: 1 worse, 1 holds*", "baseline-digits*train_time_s*worse*", "failed: 1 worse"]
    )
    result.stdout.fnmatch_lines(["no record is kept*next: the gate failed"])
    assert not (pytester.path / BASELINES / "next").exists()

    shown = run_study(*ONE_PAIR, "--green-compare=main")
    assert shown.ret == 0, "without limits nothing fails"
    shown.stdout.fnmatch_lines(["baseline-digits*train_time_s*worse*"])


@pytest.mark.slow
def test_workers_run_and_one_process_compares(run_study, pytester):
    assert run_study(*ONE_PAIR, "-n1", "--green-save=main").ret == 0
    result = run_study(*ONE_PAIR, "-n1", "--green-compare=main", "--green-fail=score:1pp")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*against main: 1 holds*"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--green-save=a/b"], ["'a/b'", "baseline"]),
        (["--green-save=paper"], ["published study"]),
        (["--green-compare=main"], ["no baseline 'main'", "--green-save"]),
        (["--green-compare=empty"], ["empty holds no record"]),
        (["--green-fail=energy:5%"], ["--green-fail has no baseline", "--green-compare"]),
        (["--green-compare=paper", "--green-fail=energy:5%"], ["published study"]),
    ],
)
def test_bad_input_is_refused_before_the_first_case(run_study, pytester, arguments, words):
    (pytester.path / "empty").mkdir()
    result = run_study(*ONE_PAIR, *arguments)
    assert result.ret == 4
    for word in words:
        assert word in result.stderr.str()
    assert not (pytester.path / "out").exists()
