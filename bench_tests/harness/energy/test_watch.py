"""``greenbench watch``: any command's energy, its exit code, and how little it takes to start."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench_tests import nvml_stub
from greenbench.energy.sources.replay import replay_windows

ROOT = Path(__file__).parents[3]


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "greenbench.cli", *arguments]


@pytest.fixture
def bare() -> dict[str, str]:
    """Variables without a GPU in sight."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    variables.pop("LD_LIBRARY_PATH", None)
    return variables


@pytest.fixture
def with_gpu(stub_library, tmp_path):
    """Return variables with the stub's GPU, given lines of a scenario."""

    def variables(*scenario: str) -> dict[str, str]:
        environment = nvml_stub.environment(stub_library, scenario, tmp_path)
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        return {**environment, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}

    return variables


def watch(environment, *arguments: str):
    return subprocess.run(
        program("watch", *arguments), env=environment, capture_output=True, text=True, timeout=60, cwd=ROOT
    )


def readings_of(done) -> list[dict]:
    return json.loads(done.stdout.splitlines()[-1])["readings"]


def test_without_a_meter_the_energy_is_null_with_a_reason(bare):
    (reading,) = readings_of(watch(bare, "--json", "--meter", "none", "--", "true"))
    assert reading["energy_j"] is None
    assert reading["status"] == "not-measured"
    assert reading["reason"] == "no meter was asked for (meter none)"
    assert reading["seconds"] > 0
    assert {"device", "method"} <= reading.keys()


@pytest.mark.parametrize("code", [0, 3, 77])
def test_the_commands_exit_code_is_passed_on(bare, code):
    assert watch(bare, "--json", "--meter", "none", "--", "sh", "-c", f"exit {code}").returncode == code


def test_a_command_killed_by_a_signal_counts_as_in_a_shell(bare):
    assert watch(bare, "--meter", "none", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


def test_a_command_that_is_not_there_is_127(bare):
    done = watch(bare, "--meter", "none", "--", "no-such-command-here")
    assert done.returncode == 127
    assert "'no-such-command-here' was not found" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_that_cannot_be_run_is_126(bare, tmp_path):
    (tmp_path / "plain.txt").write_text("text")
    assert watch(bare, "--meter", "none", "--", str(tmp_path / "plain.txt")).returncode == 126


def test_no_command_is_a_usage_error(bare):
    done = watch(bare, "--json")
    assert done.returncode == 2
    assert "no command to measure" in done.stderr


def test_the_commands_own_arguments_and_output_pass_through(bare):
    done = watch(bare, "--json", "--meter", "none", "--", "echo", "--json", "-x", "a b")
    assert done.stdout.splitlines()[0] == "--json -x a b"
    assert json.loads(done.stdout.splitlines()[1])["command"] == ["echo", "--json", "-x", "a b"]


def test_text_goes_to_standard_error(bare):
    done = watch(bare, "--meter", "none", "--", "echo", "out")
    assert done.stdout == "out\n"
    assert "energy: not-measured in" in done.stderr


def test_an_estimate_is_no_measurement(bare):
    (reading,) = readings_of(watch(bare, "--json", "--meter", "estimate:65", "--", "sleep", "0.1"))
    assert reading["status"] == "estimated"
    assert reading["energy_j"] is None
    assert reading["estimated_j"] == pytest.approx(65 * reading["seconds"])


def test_a_termination_is_handed_on_and_the_reading_still_printed(bare):
    with subprocess.Popen(
        program("watch", "--json", "--meter", "none", "--", "sh", "-c", "echo up; exec sleep 30"),
        env=bare, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 128 + signal.SIGTERM
    assert json.loads(rest)["exit_code"] == 128 + signal.SIGTERM


def test_it_starts_in_well_under_a_second_and_without_torch(with_gpu):
    check = "import sys, greenbench.cli.watch; print('torch' in sys.modules, 'numpy' in sys.modules)"
    environment = with_gpu()
    done = subprocess.run(
        [sys.executable, "-c", check], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["False", "False"]
    quickest = min(_seconds(lambda: watch(environment, "--json", "--", "true")) for _ in range(3))
    assert quickest < 0.9


def _seconds(call) -> float:
    """Return the CPU time of the processes that a call starts: other work on the machine would count in wall time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    call()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_gpus_energy_is_measured(with_gpu):
    environment = with_gpu("gpus 2", "wave 0 0 0 150", "wave 1 0 0 60", "set 0 name Big", "set 1 name Small")
    done = watch(environment, "--json", "--meter", "auto", "--", "sleep", "5.2")
    readings = readings_of(done)
    assert [reading["device"] for reading in readings] == ["Big", "Small"]
    for reading, watts in zip(readings, (150.0, 60.0), strict=True):
        assert reading["status"] == "measured", reading["reason"]
        assert reading["energy_j"] == pytest.approx(watts * reading["seconds"], rel=0.01)
        assert reading["method"] == "nvml-counter"
        assert reading["uncertainty_j"] > 0
    whole = json.loads(done.stdout)["sum"]
    assert whole["energy_j"] == pytest.approx(sum(reading["energy_j"] for reading in readings))
    assert whole["status"] == "measured"


def test_a_short_command_is_marked(with_gpu):
    (reading,) = readings_of(watch(with_gpu(), "--json", "--meter", "auto", "--", "sleep", "0.6"))
    assert reading["status"] == "measured-short"
    assert reading["energy_j"] == pytest.approx(100.0 * reading["seconds"], rel=0.1)


def test_a_fault_in_the_window_leaves_null_and_the_commands_exit_code(with_gpu):
    environment = with_gpu("fault nvmlDeviceGetFieldValues -1 0.8 1e9 15")
    done = watch(environment, "--json", "--meter", "auto", "--", "sh", "-c", "sleep 1; exit 5")
    (reading,) = readings_of(done)
    assert done.returncode == 5
    assert (reading["status"], reading["energy_j"]) == ("invalid", None)
    assert "GPU is lost" in reading["reason"]
    assert reading["next_step"].startswith("reboot")


def test_a_foreign_process_makes_the_reading_an_estimate_or_refuses(with_gpu):
    environment = with_gpu(f"process 0 {os.getpid()} 0 1e9")
    (reading,) = readings_of(watch(environment, "--json", "--meter", "auto", "--", "sleep", "0.6"))
    assert (reading["status"], reading["energy_j"]) == ("estimated", None)
    assert f"process {os.getpid()}" in reading["reason"]
    refused = watch(environment, "--on-busy", "fail", "--", "echo", "ran")
    assert refused.returncode == 2
    assert "ran" not in refused.stdout


def test_what_was_seen_can_be_recorded(with_gpu, tmp_path):
    path = tmp_path / "trace.jsonl"
    done = watch(with_gpu(), "--json", "--record", str(path), "--", "sleep", "0.8")
    ((label, (replayed,)),) = replay_windows(path)
    assert label == "command"
    assert replayed.energy_j == pytest.approx(readings_of(done)[0]["energy_j"], rel=0.02)


def test_without_a_meter_there_is_nothing_to_record(bare, tmp_path):
    done = watch(bare, "--meter", "none", "--record", str(tmp_path / "x"), "--", "true")
    assert done.returncode == 2
    assert "--record needs a meter" in done.stderr
