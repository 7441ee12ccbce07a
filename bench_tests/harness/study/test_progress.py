"""Progress of a case: a line below pytest's own on a terminal, a line now and then in a log."""

import io
import re
import sys
from contextlib import nullcontext
from dataclasses import replace

import pytest

from bench_tests.harness.made_records import record_of, training_result
from greenbench.execute.progress import Progress
from greenbench.study import progress
from greenbench.study.progress import LINE_EVERY_S, ProgressReporter

CASE = record_of("mixup", seed=3).case


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Return what sets the time."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


def test_a_log_gets_a_line_now_and_then(clock, monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    show = ProgressReporter(nullcontext)(CASE)
    for step in range(1, 10):
        clock(step * LINE_EVERY_S / 3)
        show(Progress(step, 10, f"epoch {step}"))
    assert log.getvalue().splitlines() == [
        line
        for step in (3, 6, 9)
        for line in ("", f"mixup-digits training seed 3: step {step}/10, epoch {step}")
    ]


def test_a_case_that_is_over_at_once_shows_nothing(clock, monkeypatch):
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        show = ProgressReporter(nullcontext)(CASE)
        clock(0.1)
        show(Progress(1, 2, "half"))
        clock(99.0)
        show(Progress(2, 2, "done"))
        assert stream.getvalue() == ""


LIVE = re.compile(r"\x1bD\x1bM\x1b7\x1bD\r(.*?)\x1b\[K\x1b8")
"""Room below; there a line, wiped to its end; and back to where the cursor was."""


@pytest.fixture
def lines(monkeypatch):
    """Return a function that returns the lines that a terminal showed while another one ran."""

    def shown(run, columns=200):
        terminal = Terminal()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", terminal)
            patch.setenv("COLUMNS", str(columns))
            run()
        assert LIVE.sub("", terminal.getvalue()) == "", "it wrote elsewhere than on the line below"
        return LIVE.findall(terminal.getvalue())

    return shown


def test_a_terminal_has_a_line_below_that_goes_away_and_nothing_else_is_touched(clock, lines):
    def run():
        show = ProgressReporter(nullcontext)(CASE)
        for step in (1, 5, 10):
            clock(float(step))
            show(Progress(step, 10, f"epoch {step}"))

    assert lines(run) == [
        "mixup-digits training seed 3: step 1/10, 9.0 s left, epoch 1",
        "mixup-digits training seed 3: step 5/10, 5.0 s left, epoch 5",
        "",
    ]


def test_it_says_which_case_of_how_many_what_is_left_of_all_and_the_joules(clock, lines):
    def run():
        reporter = ProgressReporter(nullcontext)
        reporter.expect(4)
        reporter(CASE)
        reporter.ended(replace(record_of("mixup", training_result(0.9, energy_j=50)), seconds=20.0))
        show = reporter(CASE)
        clock(5.0)
        show(Progress(5, 10, "epoch 1"))

    assert lines(run) == [
        "2 of 4: mixup-digits training seed 3: step 5/10, 5.0 s left, 45 s of all, 50.0 J so far, epoch 1"
    ]


def test_what_comes_on_top_of_what_was_expected_has_no_number(clock, lines):
    def run():
        reporter = ProgressReporter(nullcontext)
        reporter.expect(1)
        reporter(CASE)
        show = reporter(CASE)
        clock(1.0)
        show(Progress(1, 2, "half"))

    assert lines(run)[0].startswith("mixup-digits")


@pytest.mark.parametrize("columns", [20, 80])
def test_no_line_is_longer_than_the_terminal(clock, lines, columns):
    def run():
        show = ProgressReporter(nullcontext)(CASE)
        clock(1.0)
        show(Progress(1, 2, "a" * 200))

    (line,) = lines(run, columns)
    assert len(line) == columns - 1
