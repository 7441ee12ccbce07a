"""Other people's files: what is wrong with one is a sentence, and the others run."""

import json

import pytest

OWN = '''
from dataclasses import replace

import greenbench


@greenbench.technique("Loss Function", "this test", tasks=("classification",))
def {name}(recipe):
    """Own: what this test needs."""
    {body}
    return replace(recipe, loss=lambda: __import__("torch").nn.functional.cross_entropy)
'''
TINY = ("--green-scale=tiny", "-m", "training", "-k", "digits and not digits20")


def own(name="own", body="pass"):
    return OWN.format(name=name, body=body)


def text_of(result):
    return result.stdout.str() + result.stderr.str()


def names(result):
    return {line.partition("::")[2] for line in result.outlines if "::" in line}


@pytest.fixture
def given(pytester):
    """Return a function that writes files and returns the options that give them."""

    def write(**texts):
        pytester.makefile(".py", **texts)
        return [f"--green-file={name}.py" for name in texts]

    return write


FAULTY = {
    "raises": "x = 1\n1 / 0",
    "exits": "import sys\n\nsys.exit(3)",
    "ends_here": "def broken(:",
    "empty": "x = 1",
    "taken": own("mixup"),
    "typed": own().replace('("classification",)', '"classification"'),
}
SAID = (
    "raises.py, line 2: cannot be read: ZeroDivisionError: division by zero; mend that line",
    "exits.py, line 3: cannot be read: SystemExit: 3; take out what ends the program",
    "ends_here.py, line 1: cannot be read: SyntaxError: invalid syntax; mend that line",
    "empty.py defines no technique and no workload; decorate a function with @greenbench.technique",
    "taken.py, line 7: the technique 'mixup' has the name of one in mixup.py; rename it",
    "typed.py, line 7: the tasks of technique 'own' are 'classification', not a tuple of names; write tasks=(",
)


@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.slow)])
def test_the_sound_files_run_and_each_other_is_a_line_before_and_after(run_study, given, pytester, workers):
    files = given(
        **FAULTY,
        sound=own("sound", "print('applied')").replace(
            "import greenbench", "import greenbench\nprint('read')", 1
        ),
    )
    result = run_study(*TINY, *files, "--green-file=absent.py", "--green-file=.", *workers)
    text = text_of(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED, text
    assert "2 passed" in text
    assert "Traceback" not in text
    for words in (
        *SAID,
        "absent.py does not exist; give the path",
        f"{pytester.path} is a folder; give the path",
    ):
        before, *after = [line for line in text.splitlines() if words in line]
        assert before.startswith("greenbench: left out: ")
        assert len(after) == 1
        assert after[0].startswith("left out: ")
    assert result.stderr.str().count("read\n") == 1
    assert "read" not in result.outlines


def test_if_no_file_is_sound_nothing_runs(run_study, given):
    result = run_study("--collect-only", "-q", *given(**FAULTY), "--green-technique=lookahead")
    text = text_of(result)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert not names(result)
    assert all(words in text for words in SAID)


AT_RUN_TIME = {
    "raises": own("raises", "recipe.nothing"),
    "exits": own("exits", "raise SystemExit(7)"),
    "leaves": own("leaves", "return recipe"),
    "returns": own("returns", "return None"),
    "builds": own("builds").replace("loss=", "network=lambda: 1 / 0, loss="),
}


@pytest.mark.slow
def test_a_technique_that_fails_when_it_is_applied_fails_its_test_alone(run_study, given, pytester):
    result = run_study(*TINY, *given(**AT_RUN_TIME, sound=own("sound")))
    text = text_of(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED, text
    assert "5 failed, 2 passed" in text
    assert "INTERNALERROR" not in text
    for words in (
        "raises.py, line 9) fails on the recipe for classification: AttributeError: 'Recipe' object has no attribute",
        "exits.py, line 9) fails on the recipe for classification: SystemExit: 7. Next step: mend its function",
        "leaves.py, line 6) leaves the recipe for classification unchanged",
        "returns.py, line 6) returned NoneType, not a Recipe. Next step: end its function with",
        "ZeroDivisionError: division by zero. Next step: look at builds.py, line 10",
    ):
        assert words in text
    failures = [json.loads(file.read_text())["result"] for file in pytester.path.glob("out/training-*.json")]
    assert sum(result["type"] == "failure" for result in failures) == 5


@pytest.mark.slow
@pytest.mark.parametrize("body", ["__import__('os').abort()", "__import__('os')._exit(0)"])
def test_a_technique_that_ends_its_process_does_not_end_the_collection(run_study, given, body):
    result = run_study("--green-scale=tiny", *given(ends=own("ends", body)), "--collect-only", "-q")
    assert result.ret == 0, text_of(result)
    assert "test_training[ends-digits]" in names(result)
    assert "Fatal Python error" not in text_of(result)


def test_a_technique_with_nothing_to_do_is_skipped_in_a_line_and_in_the_report(run_study, given, pytester):
    body = "from greenbench.errors import NotApplicable; raise NotApplicable('there is nothing to change')"
    files = given(idle=own("idle", body))
    arguments = (*TINY, *files, "--green-resume")
    result = run_study(*arguments)
    text = text_of(result)
    assert result.ret == 0, text
    assert "1 passed, 1 skipped" in text
    assert text.count("skipped: idle-digits: not applicable: there is nothing to change") == 1
    assert (
        "- Idle on Digits: there is nothing to change." in (pytester.path / "out" / "report.md").read_text()
    )
    (record,) = pytester.path.glob("out/training-idle-*.json")
    written = record.stat().st_mtime_ns
    result = run_study(*TINY, *files, "--green-resume", "--green-technique=idle")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "nothing was measured: every case was skipped" in text_of(result)
    assert record.stat().st_mtime_ns == written


def test_a_broken_package_is_named_and_does_not_stop_the_study(run_study, pytester):
    pytester.makepyfile(
        installed="""
        from types import SimpleNamespace
        from greenbench.study import catalog
        point = SimpleNamespace(value="gone", module="gone", dist=SimpleNamespace(name="their-package"))
        catalog.entry_points = lambda group: [point]
        """
    )
    result = run_study("-p", "installed", "--collect-only", "-q", "-k", "mixup")
    assert result.ret == 0
    assert len(names(result)) == 2
    assert "left out, though installed: gone of package their-package: cannot be read: Module" in text_of(
        result
    )


def test_a_collection_runs_beside_the_baseline_and_what_is_named(run_study):
    def collected(*arguments):
        result = run_study(
            "--collect-only", "-q", "-m", "training", "-k", "digits and not digits20", *arguments
        )
        assert result.ret == 0, text_of(result)
        return {name.partition("[")[2].removesuffix("-digits]") for name in names(result)}

    paper, modern = collected(), collected("--green-collection=modern")
    assert paper == collected("--green-collection=paper")
    assert paper & modern == {"baseline"}
    assert collected("--green-collection=modern", "--green-technique=mixup") == modern | {"mixup"}
    one = min(modern - {"baseline"})
    assert collected(f"--green-technique={one}") == {one}


TOLERANCE = """
[[change]]
scale = "tiny"
quantity = "train_time_s"
technique = "lookahead"
allowed_ratio = 0
source = "this test"
"""


@pytest.mark.slow
def test_a_file_of_tolerances_counts(run_study, pytester):
    pytester.makefile(".toml", mine=TOLERANCE)
    result = run_study(*TINY, "--green-technique=lookahead", "--green-tolerances=mine.toml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "0 times the baseline (this test)" in text_of(result)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--green-tolerances=absent.toml", ["absent.toml", "No such file", "TOML"]),
        ("--green-tolerances=mine.toml", ["mine.toml, row 1", "'speed' is unknown", "params"]),
        ("--green-collection=ancient", ["collection 'ancient' is unknown", "modern, paper"]),
    ],
)
def test_tolerances_and_collections_that_make_no_sense_are_refused(run_study, pytester, argument, words):
    pytester.makefile(".toml", mine=TOLERANCE.replace("train_time_s", "speed"))
    result = run_study(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert all(word in text_of(result) for word in words)
