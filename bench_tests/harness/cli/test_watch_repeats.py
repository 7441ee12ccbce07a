"""``greenbench watch --repeat`` and ``--vs``: means and ratios of measured runs, with their intervals."""

import json
import math
import signal
import statistics
import sys

import pytest

from bench_tests.harness.cli.conftest import GAIN, measured
from greenbench.cli import main
from greenbench.cli._watch_statistics import Run, boundary_of, mean_energy, mean_of, ratio_of

T_2_DEGREES = 4.3026527
"""Student's t for a 95 % interval from three values, as printed in tables."""


def lines(capfd):
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_mean_has_students_interval():
    mean = mean_of([10.0, 12.0, 14.0])
    assert (mean.value, mean.count) == (12.0, 3)
    assert mean.half_width == pytest.approx(T_2_DEGREES * 2 / math.sqrt(3))
    assert mean_of([5.0]).half_width is None


def test_repeats_do_not_narrow_the_calibration():
    runs = [Run(f"run {n}", 0, measured(joules, uncertainty=GAIN)) for n, joules in enumerate((10, 12, 14))]
    spread = T_2_DEGREES * 2 / math.sqrt(3)
    assert mean_energy(runs).half_width == pytest.approx(math.hypot(spread, 2 * GAIN.gain_j))
    assert mean_energy(runs[:1]).half_width == pytest.approx(2 * GAIN.gain_j)
    assert mean_energy([]) is None


def test_a_ratio_is_that_of_the_pairs_and_a_shared_drift_cancels():
    ratio = ratio_of([(10, 20), (100, 200), (1, 2)])
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2, 2, 2))
    logarithms = [math.log(1.5), math.log(2.0), math.log(2.5)]
    half = T_2_DEGREES * statistics.stdev(logarithms) / math.sqrt(3)
    ratio = ratio_of([(1, 1.5), (1, 2.0), (1, 2.5)])
    assert ratio.value == pytest.approx(math.exp(statistics.fmean(logarithms)))
    assert (ratio.high / ratio.value, ratio.value / ratio.low) == pytest.approx((math.exp(half),) * 2)


def test_few_pairs_have_no_interval_and_none_no_ratio():
    assert ratio_of([]) is None
    one = ratio_of([(2, 3)])
    assert (one.value, one.low, one.high, one.pairs) == (pytest.approx(1.5), None, None, 1)


def test_the_boundary_is_that_of_most_runs():
    readings = [measured(1, "GPU"), measured(1, "GPU + CPU package"), measured(1, "GPU"), measured(None, "x")]
    runs = [Run("run", 0, reading) for reading in readings]
    assert boundary_of(runs) == "GPU"
    assert [run.why_not("GPU") for run in runs] == [
        None,
        "it measured GPU + CPU package, not GPU",
        None,
        "the GPU is lost",
    ]
    assert boundary_of(runs[3:]) is None


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (Run("run", 3, measured(1.0)), "exit code 3"),
        (Run("run", 0, measured(0.0)), "it shows 0 J"),
        (Run("run", 0, measured(1.0)), None),
    ],
)
def test_a_run_that_failed_or_shows_nothing_does_not_count(run, reason):
    assert run.why_not("GPU") == reason


def test_repeat_gives_a_line_a_run_and_the_mean(scripted, capfd):
    scripted(measured(10.0), measured(12.0), measured(14.0))
    assert main(["watch", "--json", "--repeat", "3", "--carbon", "360 g/kWh", "--", "true"]) == 0
    *runs, summary = lines(capfd)
    assert [run["run"] for run in runs] == [1, 2, 3]
    assert [run["sum"]["energy_j"] for run in runs] == [10.0, 12.0, 14.0]
    assert runs[0]["co2_kg"] == pytest.approx(10.0 / 3.6e6 * 0.36)
    assert (summary["runs"], summary["counted"], summary["left_out"]) == (3, 3, {})
    assert summary["mean_energy_j"] == 12.0
    assert summary["half_width_j"] == pytest.approx(T_2_DEGREES * 2 / math.sqrt(3))
    assert summary["co2_kg"] == pytest.approx(12.0 / 3.6e6 * 0.36)


def failing_once(folder):
    """A command that fails in its second run with code 7, and in the third with 8."""
    code = (
        "import pathlib, sys\n"
        f"seen = pathlib.Path({str(folder)!r}, 'seen')\n"
        "count = len(seen.read_text()) if seen.exists() else 0\n"
        "seen.write_text('x' * (count + 1))\n"
        "sys.exit([0, 7, 8, 0][count])"
    )
    return [sys.executable, "-c", code]


def test_the_first_failing_run_gives_the_exit_code_and_does_not_count(scripted, capfd, tmp_path):
    scripted(measured(10.0), measured(99.0), measured(99.0), measured(None))
    assert main(["watch", "--repeat", "4", "--", *failing_once(tmp_path)]) == 7
    said = capfd.readouterr().err
    assert "run 2 does not count: exit code 7" in said
    assert "run 4 does not count: the GPU is lost" in said
    assert "mean: 10.00 J (one run); " in said


def test_a_command_that_is_not_there_is_tried_once(scripted, capfd):
    scripted(measured(1.0), measured(1.0))
    assert main(["watch", "--repeat", "5", "--", "no-such-command-here"]) == 127
    said = capfd.readouterr().err
    assert said.count("was not found") == 1
    assert "mean: no run has joules that count; no run finished" in said


def test_a_signal_ends_the_repeats_and_the_runs_so_far_count(scripted, capfd):
    scripted(measured(10.0), measured(12.0))
    before = signal.getsignal(signal.SIGINT)
    assert main(["watch", "--repeat", "5", "--", "sh", "-c", "kill -INT $PPID"]) == 0
    assert "mean: 10.00 J (one run)" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_two_commands_are_run_in_turn_and_compared(scripted, capfd):
    scripted(*(measured(joules) for joules in (10, 20, 10, 25, 10, 30, 10, 20, 10, 25)))
    assert main(["watch", "--json", "--vs", "sh -c ':'", "--", "true", "b"]) == 0
    *runs, summary = lines(capfd)
    assert [(run["which"], run["run"]) for run in runs[:4]] == [("A", 1), ("B", 1), ("A", 2), ("B", 2)]
    assert (runs[0]["command"], runs[1]["command"]) == (["sh", "-c", ":"], ["true", "b"])
    ratio = summary["energy_ratio"]
    assert ratio["pairs"] == 5
    assert ratio["low"] < 2.37 < ratio["value"] < 2.38 < ratio["high"]
    assert summary["seconds_ratio"]["pairs"] == 5


def test_a_pair_with_a_run_that_does_not_count_is_named_and_left_out(scripted, capfd):
    scripted(measured(10), measured(20), measured(10), measured(None))
    assert main(["watch", "--vs", "true", "--repeat", "2", "--", "true"]) == 0
    said = capfd.readouterr().err
    assert "run 2 of B does not count: the GPU is lost" in said
    assert "B / A: 2 times the joules, without an interval, because one pair alone counts; " in said


def test_estimates_are_never_compared(capfd):
    assert main(["watch", "--meter", "estimate:9", "--vs", "true", "--repeat", "2", "--", "true"]) == 0
    said = capfd.readouterr().err
    assert "B / A: no ratio of joules, because no pair counts" in said
    assert "times the seconds (95 % interval" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--repeat", "0", "--", "true"], "--repeat 0: it must be from 1 to"),
        (["--vs", "", "--", "true"], "--vs '' is no command"),
        (["--vs", "sh -c 'x", "--", "true"], "cannot be read as a command"),
        (["--vs", "true"], "no command to measure"),
    ],
)
def test_what_cannot_be_repeated_is_refused(capfd, arguments, words):
    assert main(["watch", *arguments]) == 2
    assert words in capfd.readouterr().err
