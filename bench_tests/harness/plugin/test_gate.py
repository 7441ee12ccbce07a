"""``--green-save``, ``--green-compare`` and ``--green-fail``, and what a user sees."""

import json
from types import SimpleNamespace

import pytest

from bench_tests.harness.made_records import record_of, rewritten, training_result
from greenbench.errors import UserError
from greenbench.plugin.gate import Gate
from greenbench.records.baselines import BASELINES, baseline_folder, read_runs
from greenbench.records.folder import RecordFolder

NOISE = (0.99, 1.0, 1.01, 1.005, 0.995, 1.0)

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


@pytest.fixture
def run_gate(tmp_path):
    """Return a function that lets a run of some joules end with options."""

    def end(joules, session, n=6, named=True, **options):
        out = tmp_path / "out"
        for path in out.glob("*.json"):
            path.unlink()
        for seed in range(n):
            result = training_result(0.9, joules * NOISE[seed])
            RecordFolder(out).write(record_of(result=result, seed=seed, session=session))
        given = {f"green_{name}": None for name in ("fail", "compare", "save")} | {"green_strict": False}
        config = SimpleNamespace(
            option=SimpleNamespace(**given | {f"green_{name}": value for name, value in options.items()}),
            invocation_params=SimpleNamespace(dir=tmp_path),
        )
        catalog, bench = SimpleNamespace(workloads={}), SimpleNamespace(session="one")
        session = SimpleNamespace(settings=SimpleNamespace(out=out, catalog=catalog, bench=bench))
        return Gate(config, session).finish([path.name for path in out.glob("*.json")] if named else [])

    return end


def test_what_passes_is_kept_and_what_fails_is_not(run_gate, tmp_path):
    lines, failed = run_gate(100, "one", save="main")
    assert (lines, failed) == ([f"6 records are kept in {baseline_folder('main', tmp_path)}"], False)
    lines, failed = run_gate(101, "two", compare="main", fail="energy:5%", save="main")
    assert not failed
    assert lines[0] == "against main: 1 holds"
    lines, failed = run_gate(120, "three", compare="main", fail="energy:5%", save="main")
    assert failed
    assert lines[-2:] == [
        "failed: 1 worse",
        f"no record is kept in {baseline_folder('main', tmp_path)}: the gate failed",
    ]
    assert {record.session for record in read_runs(baseline_folder("main", tmp_path))[0]} == {"one", "two"}
    lines, failed = run_gate(120, "three", compare="main", save="next")
    assert not failed, "nothing fails without limits"
    assert "1 worse" in lines[0]


def test_what_is_undecided_fails_where_that_is_asked_for(run_gate):
    run_gate(100, "one", n=1, save="main")
    assert not run_gate(100, "two", n=1, compare="main", fail="energy:5%")[1]
    assert run_gate(100, "two", n=1, compare="main", fail="energy:5%", strict=True)[1]


def test_the_run_of_the_baseline_itself_tells_nothing(run_gate):
    run_gate(100, "one", save="main")
    lines, failed = run_gate(100, "one", compare="main", fail="energy:5%")
    assert failed
    assert "both sides are the same runs" in lines[0]


def test_seeds_that_no_test_names_count_where_they_are_of_the_session(run_gate, tmp_path):
    assert run_gate(100, "one", named=False, save="main")[0][0].startswith("6 records are kept")
    assert run_gate(100, "two", named=False, save="next")[0][0].startswith("no record is kept")


def test_what_cannot_be_read_of_a_baseline_is_named(run_gate, tmp_path):
    run_gate(100, "one", save="main")
    path = sorted(baseline_folder("main", tmp_path).rglob("*.json"))[0]
    rewritten(path, lambda content: content.update(schema=99))
    lines, _ = run_gate(100, "two", compare="main")
    assert any(line.startswith("left out of the baseline:") and "schema 99" in line for line in lines)


def test_the_study_is_a_baseline_too(run_gate):
    lines, failed = run_gate(100, "one", compare="paper")
    assert not failed
    assert lines[0].startswith("against the published study")


def test_the_output_folder_is_no_baseline(run_gate, tmp_path):
    run_gate(100, "one")
    with pytest.raises(UserError, match="output folder are both"):
        run_gate(100, "two", compare=str(tmp_path / "out"))


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

    slower(folder, 1e-5)  # beyond what any load of this machine can do
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
