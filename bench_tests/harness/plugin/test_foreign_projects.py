"""Other people's projects: the plugin is there in every pytest run of its environment, silent and harmless."""

import pytest


def said(result):
    """Return what a run said of greenbench, pytest's own list of plugins aside."""
    lines = result.outlines + result.errlines
    return [line for line in lines if "green" in line.lower() and not line.startswith("plugins: ")]


@pytest.fixture
def foreign(pytester, clean_environment):
    """Return a function that runs pytest in a project that has nothing to do with greenbench."""

    def run(*arguments):
        return pytester.runpytest_subprocess(*arguments)

    return run


def test_a_run_without_cases_says_nothing(foreign, pytester):
    pytester.makepyfile(test_other="def test_other(): pass")
    result = foreign()
    assert result.ret == 0
    assert not said(result)
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize("word", ["training", "inference", "study"])
def test_names_like_ours_are_not_counted(foreign, pytester, word):
    """A folder, module, test and parameter named like our kinds, and all of them skipped."""
    folder = pytester.mkdir(word)
    (folder / f"test_{word}.py").write_text(
        f"""
import pytest

@pytest.mark.skip(reason="later")
@pytest.mark.parametrize("x", [1], ids=["{word}"])
def test_{word}(x): pass
"""
    )
    result = foreign()
    assert result.ret == 0, result.stdout.str()
    assert not said(result)


def test_their_fixtures_and_marks_of_our_old_names_are_theirs(foreign, pytester):
    pytester.makeini(
        "[pytest]\nmarkers =\n    training: theirs\n    slow: theirs\naddopts = --strict-markers"
    )
    pytester.makepyfile(
        """
import pytest

@pytest.fixture
def study(): return "mine"

@pytest.mark.training
@pytest.mark.slow
def test_theirs(study): assert study == "mine"
"""
    )
    result = foreign()
    assert result.ret == 0
    assert not said(result)
    pytester.makepyfile("def test_missing(study): pass")
    assert "fixture 'study' not found" in foreign().stdout.str()
    markers = foreign("--markers").stdout.str()
    for name in ("inference", "dataset", "technique", "workload"):
        assert f"@pytest.mark.{name}" not in markers


def test_every_name_that_the_plugin_claims_carries_its_prefix(foreign):
    text = foreign("--fixtures").stdout.str()
    ours = text.partition("fixtures defined from greenbench.plugin")[2].partition("fixtures defined from")[0]
    names = [line.partition(" -- ")[0] for line in ours.splitlines() if " -- " in line]
    assert len(names) == 4
    assert all(name.startswith("green_") for name in names)
    assert "Cases of one technique trained on one workload" in text
    assert "Run and judge cases" in text


def test_it_can_be_switched_off(foreign, pytester):
    pytester.makepyfile("def test_other(): pass")
    result = foreign("-p", "no:greenbench", "-q")
    assert result.ret == 0
    assert not said(result)
    assert "--green-scale" not in foreign("-p", "no:greenbench", "--help").stdout.str()


def test_it_imports_no_torch(foreign, pytester):
    pytester.makepyfile("import sys\ndef test_other(): assert 'torch' not in sys.modules")
    assert foreign().ret == 0


@pytest.mark.parametrize("arguments", [["-n2"], ["-p", "no:terminal"], ["-p", "no:cacheprovider"], ["--co"]])
def test_it_survives_the_ways_people_run_pytest(foreign, pytester, arguments):
    pytester.makepyfile("def test_other(): pass\ndef test_more(): pass")
    assert foreign(*arguments).ret == 0


def test_cases_below_another_project_do_not_need_its_settings(run_study, pytester):
    """The study runs beside strict settings: unknown marks are errors, and the marks of the folder are declared."""
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error")
    result = run_study("--collect-only", "-q", "-k", "mixup")
    assert result.ret == 0, result.stdout.str()
    assert sum("::" in line for line in result.outlines) == 2


def test_a_project_of_only_foreign_tests_is_not_refused_for_a_meter_that_is_missing(foreign, pytester):
    pytester.makepyfile("def test_other(): pass")
    result = foreign("--green-meter=none")
    assert result.ret == 0
