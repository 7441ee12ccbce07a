"""What a person meets who runs the study for the first time, with pytest as they know it."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

TINY = ("--green-scale=tiny", "-m", "training", "-k", "digits")
OWN = '''
from dataclasses import replace

import greenbench


@greenbench.technique("Loss Function", "this test", tasks=("classification",))
def own(recipe):
    """Own: a loss of its own."""

    def loss():
        import helper

        return lambda logits, targets: helper.loss(logits, targets)

    return replace(recipe, loss=loss)
'''
HELPER = "import torch.nn.functional as F\n\ndef loss(logits, targets):\n    return F.cross_entropy(logits, targets)\n"


def text_of(result):
    return result.stdout.str() + result.stderr.str()


def records_in(folder, prefix=""):
    return [json.loads(file.read_text()) for file in sorted(folder.glob(f"{prefix}*seed*.json"))]


@pytest.fixture
def own_file(pytester):
    pytester.makefile(".py", own=OWN, helper=HELPER)


@pytest.mark.parametrize("family", ["xunit1", pytest.param("xunit2", marks=pytest.mark.slow)])
def test_junit_files_hold_metric_energy_time_and_status_as_text(run_study, pytester, family):
    options = ("--junitxml=j.xml", "-o", f"junit_family={family}", "-W", "error")
    result = run_study("--green-scale=tiny", "-k", "baseline-digits", "--green-out=out", *options)
    assert result.ret == 0, text_of(result)
    cases = ElementTree.parse(pytester.path / "j.xml").iter("testcase")
    found = {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")} for case in cases
    }
    training = found["test_training[baseline-digits]"]
    assert training["green_status"] == "finished"
    assert training["green_metric"] == "accuracy"
    assert 0 <= float(training["green_score"]) <= 1
    assert float(training["green_time_s"]) > 0
    assert training["green_energy_j"] == "not measured: no meter was asked for (meter none)"
    inference = found["test_inference[baseline-digits]"]
    assert float(inference["green_time_ms"]) > 0


def test_a_file_that_is_given_is_what_runs(run_study, own_file):
    result = run_study("--collect-only", "-q", "--green-file=own.py")
    names = {line.partition("::")[2] for line in result.outlines if "::" in line}
    sets = ("digits",)
    with_own = {f"test_training[own-{name}]" for name in sets} | {
        f"test_training[baseline-{name}]" for name in sets
    }
    assert with_own <= names
    assert all("own" in name or "baseline" in name for name in names)


def test_the_same_name_or_file_twice_runs_once(run_study, own_file):
    arguments = (
        "--green-technique=mixup",
        "--green-technique=mixup",
        "--green-file=own.py",
        "--green-file=./own.py",
    )
    result = run_study("--collect-only", "-q", *arguments)
    names = [line.partition("::")[2] for line in result.outlines if "::" in line]
    assert result.ret == 0, text_of(result)
    assert sorted(names) == sorted({f"test_training[mixup-{w}]" for w in ("digits", "scenes4")})


@pytest.mark.slow
def test_two_versions_of_a_technique_are_never_one_row(run_study, own_file, pytester):
    arguments = (*TINY, "--green-file=own.py")
    assert run_study(*arguments, "--green-seeds=2").ret == 0
    (pytester.path / "own.py").write_text(OWN.replace("a loss of its own", "an edited loss"))
    assert run_study(*arguments, "--green-seeds=1", "--green-resume").ret == 0
    assert len(records_in(pytester.path / "out", "training-own-")) == 3
    report = (pytester.path / "out" / "report.md").read_text()
    rows = [
        re.findall(r"^\| Own.*$", part, re.MULTILINE) for part in re.split(r"^##", report, flags=re.MULTILINE)
    ]
    assert max(map(len, rows)) == 1
    (first, *_) = (row for found in rows for row in found)
    assert first.split("|")[2].strip() == "1"
    assert re.search(r"Own was changed since: 2 records of an older version of its file are left out", report)


@pytest.mark.slow
def test_an_edited_helper_makes_its_results_stale(run_study, own_file, pytester):
    arguments = (*TINY, "--green-file=own.py", "--green-resume")
    assert "0 finished cases" in text_of(run_study(*arguments))
    assert "2 finished cases" in text_of(run_study(*arguments))
    (pytester.path / "helper.py").write_text(HELPER + "# edited\n")
    assert "1 finished cases" in text_of(run_study(*arguments))


@pytest.mark.slow
def test_code_of_the_engine_that_changed_makes_all_results_stale(run_study, pytester):
    pytester.makepyfile(
        other_engine="""
        import greenbench.records.conditions as conditions
        import greenbench.execute.run as run
        conditions.engine_digest = run.engine_digest = lambda: "another"
        """
    )
    arguments = (*TINY, "--green-technique=baseline", "--green-resume")
    assert run_study(*arguments).ret == 0
    assert "0 finished cases" in text_of(run_study("-p", "other_engine", *arguments))


@pytest.mark.slow
def test_a_record_that_was_edited_is_named_and_out_of_the_tables(run_study, pytester):
    assert run_study(*TINY, "--green-technique=lookahead").ret == 0
    (file,) = (pytester.path / "out").glob("training-lookahead-*.json")
    content = json.loads(file.read_text())
    content["result"]["validation"]["accuracy"] = content["result"]["best"] = 0.9991
    file.write_text(json.dumps(content))
    pytester.run(sys.executable, "-m", "greenbench.cli", "report", "out")
    report = (pytester.path / "out" / "report.md").read_text()
    assert "99.9" not in report
    assert f"{file.name}" in report
    assert "it was edited" in report


@pytest.mark.parametrize("workers", [(), ("-n2",)])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--green-meter=rapl", ["rapl", "cannot measure on this machine"]),
        ("--green-out=occupied/deeper", ["occupied", "is a file"]),
        ("--green-data=data", ["cifar100", "train.bin", "download it again"]),
    ],
)
def test_what_can_be_known_is_refused_once_before_the_first_case(run_study, pytester, workers, option, words):
    (pytester.path / "occupied").write_text("a file")
    if Path("/sys/class/powercap/intel-rapl:0").exists() and "rapl" in option:
        pytest.skip("this machine has RAPL")
    damaged = pytester.mkdir("data") / "cifar-100-binary"
    damaged.mkdir()
    (damaged / "train.bin").write_bytes(b"not CIFAR")
    scale = "short" if "data" in option else "tiny"
    result = run_study(f"--green-scale={scale}", "-k", "digits or cifar100", option, *workers)
    text = text_of(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR, text
    assert "Traceback" not in text
    assert " passed" not in text
    assert " failed" not in text
    said = [line for line in text.splitlines() if all(word in line for word in words)]
    assert len(said) == 1, text
    assert len(text) < 4000


@pytest.mark.slow
def test_the_report_lands_below_the_current_folder(pytester, tmp_path, run_study):
    elsewhere = tmp_path / "their_project"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (elsewhere / "own.py").write_text(OWN)
    (elsewhere / "helper.py").write_text(HELPER)
    here = pytester.mkdir("here")
    cases = pytester.path / "test_training.py"
    arguments = ["-p", "tiny_scale", "--green-meter=none", *TINY, f"--green-file={elsewhere / 'own.py'}"]
    command = [sys.executable, "-m", "pytest", str(cases), *arguments]
    run = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert (here / "reports" / "local" / "report.md").is_file()
    assert {path.name for path in elsewhere.iterdir()} <= {
        "pyproject.toml",
        "own.py",
        "helper.py",
        "__pycache__",
    }


@pytest.mark.slow
def test_warnings_of_other_peoples_code_are_shown_and_not_fatal(run_study, pytester):
    pytester.makefile(
        ".py",
        own=OWN.replace(
            "        import helper\n",
            "        import warnings\n\n        warnings.warn('theirs', stacklevel=1)\n",
        ).replace("helper.loss", "__import__('torch').nn.functional.cross_entropy"),
    )
    result = run_study(*TINY, "--green-file=own.py")
    assert result.ret == 0, text_of(result)
    assert "UserWarning: theirs" in text_of(result)


@pytest.mark.slow
def test_two_runs_on_one_machine_are_marked_as_disturbed(run_study, pytester):
    script = (
        "import sys, tempfile; from greenbench.energy.neighbors import Neighbors\n"
        "with Neighbors('another'): print('ready', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as other:
        assert other.stdout.readline() == "ready\n"
        result = run_study(*TINY, "--green-technique=baseline")
        other.communicate("")
    assert result.ret == 0, text_of(result)
    records = records_in(pytester.path / "out")
    assert all(str(other.pid) in record["disturbed"] for record in records)
    assert str(other.pid) in (pytester.path / "out" / "report.md").read_text()


@pytest.mark.slow
def test_the_error_of_another_plugins_hook_does_not_lose_the_report(run_study, pytester):
    pytester.makepyfile(bad_hook="def pytest_sessionfinish(): raise RuntimeError('theirs')")
    run_study("-p", "bad_hook", *TINY, "--green-technique=baseline")
    assert (pytester.path / "out" / "report.md").is_file()


def test_a_run_without_a_terminal_writes_its_report(run_study, pytester):
    run_study("-p", "no:terminal", *TINY, "--green-technique=baseline")
    assert (pytester.path / "out" / "report.md").is_file()


def test_a_cases_parameter_is_its_name_in_every_run(run_study):
    result = run_study("--setup-plan", "-m", "training", "-k", "mixup-digits")
    assert "green_training['mixup-digits']" in text_of(result)
    assert " at 0x" not in text_of(result)


@pytest.mark.slow
def test_workers_count_a_kept_case_once(run_study):
    arguments = ("-n2", *TINY, "--green-technique=baseline", "--green-technique=lookahead", "--green-resume")
    assert run_study(*arguments).ret == 0
    assert "2 finished cases of an earlier run were kept" in text_of(run_study(*arguments))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_a_header_line_says_scale_meter_and_gpu(run_study, workers):
    text = text_of(run_study("--green-scale=tiny", "-k", "baseline-digits", "-m", "inference", *workers))
    assert re.search(r"greenbench: scale tiny, meter none, GPU \S+.*\ngreenbench: records in \S*out", text)


@pytest.mark.slow
def test_a_terminal_of_ascii_shows_the_tables_line_by_line(run_study, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = run_study(*TINY, "--green-technique=ge_theta")
    text = text_of(result)
    assert result.ret == 0
    assert "\\n" not in text
    assert "GE-?" in text


@pytest.mark.slow
def test_a_case_that_fails_is_a_sentence_a_record_and_a_row(run_study, pytester):
    pytester.makefile(".py", own=OWN, helper="def loss(logits, targets):\n    return 1 / 0\n")
    result = run_study(*TINY, "--green-file=own.py")
    text = text_of(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "ZeroDivisionError: division by zero. Next step: look at own.py, line 13" in text
    (record,) = records_in(pytester.path / "out", "training-own-")
    assert record["result"]["type"] == "failure"
    assert record["result"]["stage"] == "training"
    report = (pytester.path / "out" / "report.md").read_text()
    assert "ZeroDivisionError" in report
    assert "Baseline" in report
    # Mended and resumed, it runs again and the baseline does not.
    (pytester.path / "helper.py").write_text(HELPER)
    assert "1 finished cases" in text_of(run_study(*TINY, "--green-file=own.py", "--green-resume"))
    assert "ZeroDivisionError" not in (pytester.path / "out" / "report.md").read_text()
