"""``greenbench watch`` at its edges: many devices, a running process, and whatever fails after the work."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import greenbench
from bench_tests.harness.cli.conftest import measured
from greenbench.cli import _watched, main, watch
from greenbench.energy.sources.nvml import processes
from greenbench.energy.sources.replay import Recorder
from greenbench.errors import UserError

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(greenbench.__file__).parents[1])}
EXIT_4 = ["--", "sh", "-c", "exit 4"]


def test_every_device_has_its_line_and_the_sum_names_its_boundary(scripted, capfd):
    devices = (measured(40.0, "GPU", "H100"), measured(20.0, "CPU package"), measured(4.0, "CPU memory"))
    scripted(devices)
    assert main(["watch", "--carbon", "deu", "--", "true"]) == 0
    said = capfd.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in said[:3]] == ["H100", "CPU package", "CPU memory"]
    assert said[3].startswith("sum (")
    assert ": 64.00 J in" in said[3]
    assert said[4].startswith("CO2: ")
    assert "Germany 2023" in said[4]
    scripted(devices)
    main(["watch", "--json", "--", "true"])
    shown = json.loads(capfd.readouterr().out)
    assert [reading["boundary"] for reading in shown["readings"]] == ["GPU", "CPU package", "CPU memory"]
    assert shown["sum"]["energy_j"] == 64.0
    assert "co2_kg" not in shown


def test_without_measured_joules_there_is_no_co2(capfd):
    assert main(["watch", "--meter", "estimate:9", "--carbon", "deu", "--", "true"]) == 0
    assert "no CO2 without measured joules" in capfd.readouterr().err


@pytest.mark.parametrize("region", ["", " ", "nan g/kWh", "-1 g/kWh", "1e400 g/kWh", "300 kg/kWh"])
def test_a_region_that_is_none_is_refused_before_the_command_runs(capfd, region):
    assert main(["watch", "--carbon", region, "--", "echo", "ran"]) == 2
    out, err = capfd.readouterr()
    assert "carbon intensity" in err
    assert "ran" not in out


def test_a_window_that_cannot_be_closed_keeps_the_exit_code(scripted, capfd):
    scripted(RuntimeError("the driver is gone"))
    assert main(["watch", "--json", *EXIT_4]) == 4
    (reading,) = json.loads(capfd.readouterr().out)["readings"]
    assert (reading["status"], reading["energy_j"]) == ("invalid", None)
    assert reading["reason"] == "the window could not be closed: the driver is gone"


def test_a_meter_that_cannot_be_closed_loses_nothing(scripted, capfd):
    def fail():
        raise OSError("nvmlShutdown says no")

    scripted(measured(5.0)).on_close = fail
    assert main(["watch", *EXIT_4]) == 4
    assert capfd.readouterr().err.splitlines() == [
        "GPU: 5.000 J in 10.00 s, 500 mW, measured by scripted",
        "greenbench: the meter could not be closed: nvmlShutdown says no",
    ]


def test_a_trace_that_cannot_be_written_loses_nothing(scripted, monkeypatch, capfd, tmp_path):
    class FullDisk:
        def __init__(self, meter, path):
            pass

        def close(self):
            raise OSError(28, "No space left on device")

    meter = scripted(measured(5.0))
    monkeypatch.setattr(watch, "DeviceMeter", type(meter))
    monkeypatch.setattr(watch, "Recorder", FullDisk)
    assert main(["watch", "--record", str(tmp_path / "t"), *EXIT_4]) == 4
    said = capfd.readouterr().err
    assert "GPU: 5.000 J" in said
    assert "is incomplete: " in said


def test_a_trace_that_cannot_be_begun_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be written: No such file or directory"):
        Recorder(SimpleNamespace(), tmp_path / "no" / "trace")


def test_a_meter_that_cannot_be_opened_stops_before_the_command(monkeypatch, capfd):
    def refuse(*_args, **_options):
        raise UserError("the GPU is in use", "wait")

    monkeypatch.setattr(watch, "open_meter", refuse)
    assert main(["watch", "--", "echo", "ran"]) == 2
    assert capfd.readouterr() == ("", "greenbench: error: the GPU is in use; wait\n")


def child(arguments, **options):
    command = [sys.executable, "-m", "greenbench.cli", "watch", "--meter", "estimate:9", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_the_reading_of_a_full_output_is_said_in_one_line():
    with Path("/dev/full").open("w") as full:
        done = child(["--json", *EXIT_4], stdout=full)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "greenbench: standard output cannot be written (No space left on device): energy: "
    )


def test_the_exit_code_outlives_a_reader_that_is_gone():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout:
        done = child(["--json", *EXIT_4], stdout=stdout)
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "30"]) as process:
        yield process
        process.kill()
    processes.attached.clear()


def test_a_process_is_watched_until_it_ends(sleeper, capfd, monkeypatch):
    monkeypatch.setattr(watch, "SHORTEST_S", 0.1)
    threading.Timer(0.35, sleeper.kill).start()
    assert (
        main(["watch", "--json", "--meter", "estimate:9", "--pid", str(sleeper.pid), "--every", "0.2"]) == 0
    )
    first, *_, last = (json.loads(line) for line in capfd.readouterr().out.splitlines())
    assert (first["pid"], first["interval"]) == (sleeper.pid, 1)
    assert (last["pid"], last["ended"]) == (sleeper.pid, True)
    assert last["sum"]["seconds"] > first["sum"]["seconds"] >= 0.2
    assert sleeper.pid in processes.attached


def test_the_watched_process_and_its_children_are_no_strangers_on_a_gpu(monkeypatch, tmp_path):
    for pid, parent in ((7, 1), (8, 7), (9, 1)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (train (x)) S {parent} 0")
        (tmp_path / str(pid) / "comm").write_text("train")
    assert processes.contention_of([7, 8], proc=tmp_path).state == "foreign"
    monkeypatch.setattr(processes, "attached", {7})
    assert processes.contention_of([7, 8], proc=tmp_path).state == "none"
    assert processes.contention_of([8, 9], proc=tmp_path).processes == ("process 9 (train)",)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_watching_and_not_the_process(sleeper, capfd, number):
    before = signal.getsignal(number)

    def send():
        while signal.getsignal(number) is before:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()
    assert main(["watch", "--json", "--meter", "estimate:9", "--pid", str(sleeper.pid)]) == 0
    assert json.loads(capfd.readouterr().out)["ended"] is False
    assert sleeper.poll() is None
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pid", "99999999"], "--pid 99999999: there is no such process"),
        (["--pid", "-1"], "--pid -1: there is no such process"),
        (["--pid", "1", "--", "true"], "leave out the command"),
        (["--pid", "1", "--repeat", "2"], "leave out the command"),
        (["--pid", "1", "--every", "nan"], "--every nan: it must be from 1 to 86400 seconds"),
        (["--pid", "1", "--on-busy", "wait"], "cannot wait"),
        (["--every", "2", "--", "true"], "--every is for --pid"),
    ],
)
def test_what_cannot_be_watched_is_refused(capfd, arguments, words):
    assert main(["watch", *arguments]) == 2
    assert words in capfd.readouterr().err


def test_a_process_that_has_ended_but_is_not_yet_collected_is_none():
    with subprocess.Popen(["true"]) as process:
        while _watched._start_tick(process.pid) is not None:
            time.sleep(0.01)
        with pytest.raises(UserError, match="has ended"):
            _watched.Attached(process.pid)


class Terminal:
    """Standard error as a terminal has it."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_a_live_line_is_renewed_on_a_terminal_alone(monkeypatch, capfd):
    monkeypatch.setattr("greenbench.cli._watch_window.LIVE_S", 0.1)
    command = ["watch", "--live", "--meter", "estimate:9", "--", "sleep", "0.25"]
    assert main(command) == 0
    assert "so far" not in capfd.readouterr().err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(command) == 0
    live, last = terminal.text.rsplit("\r", 1)
    assert live.count("\r0 s, 9.00 W, ") >= 2
    assert "J so far (estimated)" in live
    assert last.startswith("energy: 2.")
