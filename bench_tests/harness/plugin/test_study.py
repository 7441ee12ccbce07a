"""The pytest face: selection, bad input, skips, resume, workers, and what a user sees."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

SOFT_LABELS = '''
from dataclasses import replace
from functools import partial

import greenbench


@greenbench.technique("Loss Function", "Szegedy et al. 2015, arXiv:1512.00567", tasks=("classification",))
def soft_labels(recipe):
    """Soft labels: train on targets that leave a tenth to all classes."""

    def loss():
        from torch.nn.functional import cross_entropy

        return partial(cross_entropy, label_smoothing=0.1)

    return replace(recipe, loss=loss)
'''


def test_ids_name_technique_and_dataset(run_study):
    result = run_study("--collect-only", "-q", "-k", "mixup")
    names = {line.partition("::")[2] for line in result.outlines if "::" in line}
    datasets = ("digits", "scenes4")
    assert names == {f"test_training[mixup-{dataset}]" for dataset in datasets}


def test_it_works_where_xdist_is_switched_off(run_study):
    assert run_study("-p", "no:xdist", "--collect-only", "-q", "-k", "mixup").ret == 0


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("technique(name='mixup')", 2),
        ("dataset(name='digits') and training and technique(name='mixup')", 1),
        ("workload(name='digits') and inference and technique(name='blurpool')", 1),
        ("green_case(technique='mixup')", 2),
    ],
)
def test_markers_select(run_study, expression, expected):
    result = run_study("--collect-only", "-q", "-m", expression)
    assert sum("::" in line for line in result.outlines) == expected


def test_techniques_that_leave_the_network_alone_have_no_inference(run_study):
    result = run_study("--collect-only", "-q", "-m", "inference")
    assert any("test_inference[baseline-digits]" in line for line in result.outlines)
    assert not any("mixup" in line or "lookahead" in line for line in result.outlines)


def test_collection_imports_no_torch(run_study, pytester):
    pytester.makepyfile(
        no_torch="""
        import sys
        def pytest_collection_finish(session):
            assert session.items
            assert "torch" not in sys.modules, "collection imported torch"
            assert not {"vl_convert", "jinja2"} & {*sys.modules}, "collection imported what reports need"
        """
    )
    result = run_study("-p", "no_torch", "--collect-only", "-q")
    assert result.ret == 0, result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--green-scale=huge"], ["'huge'", "smoke", "tryout", "short", "paper"]),
        (["--green-mode=quick"], ["'quick'", "paper", "fast"]),
        (["--green-mode="], ["''", "paper", "fast"]),
        (["--green-inputs=guessed"], ["'guessed'", "stated", "fitted"]),
        (["--green-vary=weights"], ["'weights'", "order", "init", "augmentation"]),
        (["--green-data=/no/such/folder"], ["/no/such/folder", "does not exist"]),
        (["--green-data=test_training.py"], ["test_training.py", "is a file"]),
        (["--green-seeds=0"], ["'0'", "1 to 1000"]),
        (["--green-seeds=two"], ["'two'", "1 to 1000"]),
        (["--green-seeds=99999999"], ["'99999999'", "1 to 1000"]),
        (["--green-until=decided", "--green-seeds=1"], ["1 seed, which gives no verdict", "--green-seeds 2"]),
        (["--green-until=tired"], ["tired", "decided"]),
        (["--green-carbon="], ["''", "kg/kWh"]),
        (["--green-meter=gauge"], ["gauge", "auto"]),
        (["--green-carbon=atlantis"], ["atlantis", "kg/kWh"]),
        (["--green-technique=mixdown"], ["'mixdown'", "mixup"]),
        (["--green-technique=mixup+mixup"], ["mixup+mixup", "different"]),
        (["--green-technique=mix up"], ["'mix up'", "mixup"]),
        (["--green-file=absent.py"], ["absent.py", "does not exist"]),
        (["--green-file=."], ["is a folder", "Python file"]),
    ],
)
def test_bad_options_end_in_words_and_exit_code_4(run_study, arguments, words):
    result = run_study(*arguments)
    text = result.stderr.str() + result.stdout.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("def broken(:", ["line 1", "SyntaxError"]),
        ("import no_such_module", ["line 1", "ModuleNotFoundError", "no_such_module"]),
        ("x = 1", ["defines no technique and no workload"]),
        ("import sys\n\nsys.exit(3)", ["line 3", "SystemExit", "3"]),
        (
            SOFT_LABELS.replace("def soft_labels", "def mixup"),
            ["technique 'mixup' has the name of one in mixup.py"],
        ),
        (
            SOFT_LABELS.replace("def soft_labels", "def softLabels"),
            ["'softLabels'", "lower case"],
        ),
        (SOFT_LABELS.replace("Loss Function", "Loss"), ["category 'Loss'", "Loss Function"]),
    ],
)
def test_a_bad_technique_file_is_named_with_its_cause_and_exit_code_4(run_study, pytester, content, words):
    pytester.makefile(".py", own=content)
    result = run_study("--green-file=own.py")
    text = result.stderr.str() + result.stdout.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "own.py" in text
    for word in words:
        assert word in text


def test_a_run_that_cannot_begin_ends_in_exit_code_4_without_options(run_study, pytester, monkeypatch):
    """The folder is looked at before anything is collected."""
    monkeypatch.setenv("GREENBENCH_DATA", "/no/such/folder")
    result = pytester.runpytest_subprocess("test_training.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.re_match_lines([r".*the data root /no/such/folder does not exist"])


def test_missing_data_skip_with_one_line_and_a_run_of_skips_alone_fails(run_study, tmp_path):
    result = run_study("--green-scale=paper", f"--green-data={tmp_path}", "-m", "training", "-k", "cifar100")
    text = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "nothing was measured" in text
    assert text.count("skipped: cifar100: looked for") == 1
    assert str(tmp_path / "cifar-100-binary") in text
    assert "cifar-100-binary.tar.gz" in text


def test_a_technique_of_ones_own_stands_in_the_tables(run_study, pytester):
    pytester.makefile(".py", own=SOFT_LABELS)
    result = run_study("--green-scale=tiny", "--green-file=own.py", "-k", "digits", "-m", "training")
    assert result.ret == 0, result.stdout.str()
    report = (pytester.path / "out" / "report.md").read_text()
    rows = [line.split("|")[1].strip() for line in report.splitlines() if line.startswith("|")]
    assert {"Baseline", "Soft labels"} <= set(rows)
    assert "Mixup" not in rows
    assert "Szegedy" in report
    # The baseline was needed twice and trained once.
    assert len(list((pytester.path / "out").glob("training-baseline-digits-*.json"))) == 1


@pytest.mark.slow
def test_composed_techniques_run(run_study, pytester):
    result = run_study(
        "--green-scale=tiny", "--green-technique=mixup+lookahead", "-k", "digits", "-m", "training"
    )
    assert result.ret == 0, result.stdout.str()
    assert "Mixup + LookAhead" in (pytester.path / "out" / "report.md").read_text()


@pytest.mark.slow
def test_resume_keeps_finished_cases_and_names_broken_files(run_study, pytester):
    arguments = ("--green-scale=tiny", "-k", "baseline or blurpool", "-m", "inference")
    assert run_study(*arguments).ret == 0
    out = pytester.path / "out"
    files = sorted(out.glob("inference-*.json"))
    assert len(files) == 4
    before = {file.name: file.read_bytes() for file in files}
    files[0].write_bytes(before[files[0].name][:200])
    (out / "foreign.json").write_text('{"hello": 1}')

    result = run_study("--green-resume", *arguments)

    text = result.stdout.str()
    assert result.ret == 0
    assert "3 finished cases of an earlier run were kept" in text
    assert "foreign.json" in text
    assert json.loads(files[0].read_text())["key"] == json.loads(before[files[0].name])["key"]
    for file in files[1:]:
        assert file.read_bytes() == before[file.name]


@pytest.mark.slow
def test_kill_9_in_the_middle_loses_no_finished_case(run_study, pytester):
    arguments = [
        "--green-scale=tiny",
        "--green-out=out",
        "-k",
        "(baseline or mixup or lookahead) and digits",
        "-m",
        "training",
    ]
    command = [sys.executable, "-m", "pytest", "-p", "tiny_scale", "--green-meter=none", *arguments]
    process = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL, start_new_session=True)
    out = pytester.path / "out"
    deadline = time.monotonic() + 120
    while not list(out.glob("training-*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {file.name: file.stat().st_mtime_ns for file in out.glob("training-*.json")}
    assert 1 <= len(finished) < 3

    result = run_study("--green-resume", *arguments)

    assert result.ret == 0
    assert f"{len(finished)} finished cases of an earlier run were kept" in result.stdout.str()
    assert len(list(out.glob("training-*.json"))) == 3
    assert all((out / name).stat().st_mtime_ns == when for name, when in finished.items())
    report = (out / "report.md").read_text()
    assert all(title in report for title in ("Baseline", "Mixup", "LookAhead"))


@pytest.mark.slow
def test_workers_share_one_baseline_and_one_report(run_study, pytester):
    result = run_study(
        "-n2", "--green-scale=tiny", "-k", "digits and (mixup or lookahead or baseline)", "-m", "training"
    )
    assert result.ret == 0, result.stdout.str()
    records = [json.loads(file.read_text()) for file in (pytester.path / "out").glob("training-*.json")]
    assert len(records) == 3
    assert {record["machine"]["workers"] for record in records} == {2}
    assert len({record["session"] for record in records}) == 1
    assert "2 processes measured side by side" in (pytester.path / "out" / "report.md").read_text()


STILL = SOFT_LABELS.replace("def soft_labels", "def no_learning").replace(
    "loss=loss",
    "optimizer=lambda network, rate: __import__('torch').optim.SGD(network.parameters(), lr=0.0)",
)
STRICT = """
import greenbench.study.session as session
from greenbench.verdict.tolerances import Tolerance

row = Tolerance("tiny", "score", "made up for a test", allowed_drop=0.05)
session.load_tolerances = lambda: [row]
"""


@pytest.mark.slow
@pytest.mark.parametrize("python", [[], ["-O"]])
def test_a_miss_fails_with_both_values_the_tolerance_and_the_records_path(run_study, pytester, python):
    pytester.makefile(".py", own=STILL)
    pytester.makepyfile(strict=STRICT)
    arguments = ["-p", "tiny_scale", "-p", "strict", "--green-scale=tiny", "--green-meter=none"]
    arguments += ["--green-out=out", "--green-file=own.py", "-k", "no_learning-digits"]
    result = pytester.run(sys.executable, *python, "-m", "pytest", *arguments)
    text = result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "the baseline's" in text
    assert "0.05 below the baseline" in text
    assert "made up for a test" in text
    assert "out/training-no_learning-digits-seed0-" in text
    assert "Traceback" not in text
    assert "def test_training" not in text, "a miss is a sentence, not source code"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_metrics(run_study, pytester):
    def metrics():
        assert run_study("--green-scale=tiny", "-k", "baseline", "-m", "training").ret == 0
        files = sorted((pytester.path / "out").glob("training-*.json"))
        return [
            json.loads(file.read_text())["result"]["validation"]
            for file in files
            if file.name != "verdicts.json"
        ]

    first = metrics()
    assert len(first) == 2
    assert metrics() == first


def test_long_work_shows_plain_lines_where_there_is_no_terminal(run_study, pytester):
    pytester.makepyfile(often="import greenbench.study.progress as p\np.LINE_EVERY_S = 0.0")
    result = run_study("-p", "often", "--green-scale=tiny", "-k", "baseline-digits", "-m", "training")
    result.stderr.re_match_lines([r"1 of 1: baseline-digits training seed 0: step 2/\d+, epoch 1/2"])


@pytest.mark.slow
def test_seeds_run_in_rounds_and_more_are_added_until_verdicts_are_decided(run_study, pytester):
    result = run_study(
        "--green-scale=tiny",
        "--green-seeds=2",
        "--green-until=decided",
        "-k=training and (baseline or mixup) and digits and not digits20",
        "--green-out=out",
        "-v",
    )
    lines = [line.split("[")[1].split("]")[0] for line in result.outlines if "::test_training[" in line]
    assert [name.partition("-")[2] for name in lines] == ["digits-seed0"] * 2 + ["digits"] * 2
    assert any(line.startswith("look 1 of 5") for line in result.outlines), result.stdout.str()
    seeds = {
        int(file.name.split("-seed")[1].split("-")[0]) for file in (pytester.path / "out").glob("training-*")
    }
    assert len(seeds) >= 2
