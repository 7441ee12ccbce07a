"""Progress of a case: a bar on a terminal, a line now and then in a log."""

import io
import sys
from contextlib import nullcontext

import pytest

from bench_tests.harness.made_records import record_of
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
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
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


def test_a_terminal_gets_a_bar_that_goes_away(clock, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    show = ProgressReporter(nullcontext)(CASE)
    for step in (1, 5, 10):
        clock(float(step))
        show(Progress(step, 10, f"epoch {step}"))
    shown = terminal.getvalue()
    assert "mixup-digits training seed 3:  50%" in shown
    assert "epoch 5" in shown
    assert shown.split("\r")[-1].strip() == "", "the bar is wiped at the end"
