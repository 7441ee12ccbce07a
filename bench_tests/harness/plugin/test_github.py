"""What a job on GitHub shows, and the hook for other services."""

import re

import pytest

from greenbench.plugin import github
from greenbench.plugin.github import CUT, MOST_ANNOTATIONS, MOST_BYTES, SUMMARY_FILE, add_summary, annotated


@pytest.fixture
def summary(tmp_path, monkeypatch):
    path = tmp_path / "summary.md"
    monkeypatch.setenv(SUMMARY_FILE, str(path))
    return path


def test_a_summary_is_added_to_what_is_there(summary):
    summary.write_text("before\n")
    assert add_summary("## greenbench") is None
    assert summary.read_text() == "before\n## greenbench\n"


@pytest.mark.parametrize(
    "before", ["", "x" * (MOST_BYTES // 2), "x" * (MOST_BYTES - 10), "x" * (MOST_BYTES + 10)]
)
def test_a_long_one_is_cut_between_lines_with_a_note(summary, before):
    summary.write_text(before)
    line = "é" * 100
    assert add_summary("\n".join([line] * 10_000)) is None
    text = summary.read_text()[len(before) :]
    assert len(text.encode()) + len(before) <= max(MOST_BYTES, len(before))
    assert set(text.removesuffix(CUT).split("\n")) <= {line, ""}
    assert text.endswith(CUT) or MOST_BYTES - len(before) < len(CUT)


def test_elsewhere_nothing_is_written(monkeypatch):
    monkeypatch.delenv(SUMMARY_FILE, raising=False)
    monkeypatch.delenv(github.ON_GITHUB, raising=False)
    assert add_summary("text") is None
    assert not [*annotated([("a", "b")])]


def test_a_summary_that_cannot_be_written_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv(SUMMARY_FILE, str(tmp_path))
    assert "no job summary" in add_summary("text")


def test_an_annotation_is_one_line_whatever_it_says(monkeypatch):
    monkeypatch.setenv(github.ON_GITHUB, "true")
    (line,) = annotated([("training a:b,c\n", "50% lost\n::error::no\r")])
    assert line == "::error title=training a%3Ab%2Cc::50%25 lost%0A::error::no%0D"


def test_of_many_annotations_the_last_one_counts_the_others(monkeypatch):
    monkeypatch.setenv(github.ON_GITHUB, "true")
    assert len([*annotated([("a", "b")] * MOST_ANNOTATIONS)]) == MOST_ANNOTATIONS
    lines = [*annotated([("a", "b")] * 25)]
    assert len(lines) == MOST_ANNOTATIONS
    assert "and 16 more cases missed" in lines[-1]


@pytest.mark.slow
def test_a_run_writes_its_summary_and_annotates_its_misses(run_study, pytester, summary, monkeypatch):
    monkeypatch.setenv(github.ON_GITHUB, "true")
    pytester.makefile(
        ".toml",
        strict='[[change]]\nscale = "tiny"\nsource = "test"\nquantity = "train_time_s"\nallowed_ratio = 0.0001\n',
    )
    found = run_study(
        "--green-scale=tiny", "-k", "mixup-digits", "-m", "training", "--green-tolerances=strict.toml"
    )
    assert found.ret
    assert "smoke" not in summary.read_text()
    assert "| Mixup" in summary.read_text()
    found.stdout.re_match_lines([r"::error title=training mixup-digits::mixup.*"])


@pytest.mark.slow
def test_a_conftest_sees_each_record_once_when_it_is_written(run_study, pytester):
    pytester.makepyfile(
        watcher="def pytest_green_record(record):\n"
        "    with open('seen.txt', 'a') as file:\n"
        "        print(record.case.id, record.case.kind, record.case.seed, record.file_name, file=file)\n"
    )
    select = ("-p", "watcher", "--green-scale=tiny", "-k", "mixup-digits", "-m", "training")
    run_study(*select).assert_outcomes(passed=1)
    seen = (pytester.path / "seen.txt").read_text().splitlines()
    assert [line.split()[0] for line in seen] == ["mixup-digits", "baseline-digits"]
    assert all((pytester.path / "out" / line.split()[-1]).is_file() for line in seen)
    run_study(*select, "--green-resume").assert_outcomes(passed=1)
    assert (pytester.path / "seen.txt").read_text().splitlines() == seen


@pytest.mark.slow
def test_quiet_runs_show_no_progress_and_a_hook_that_fails_keeps_the_record(run_study, pytester):
    pytester.makepyfile(broken="def pytest_green_record(record):\n    raise OSError('the service is away')\n")
    found = run_study("-p", "broken", "--green-scale=tiny", "-k", "baseline-digits", "-m", "training", "-q")
    assert found.ret
    assert re.search("the service is away", found.stdout.str())
    assert list((pytester.path / "out").glob("training-baseline-digits-*.json"))
