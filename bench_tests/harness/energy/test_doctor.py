"""``greenbench doctor``: says what is wrong before it goes wrong."""

from __future__ import annotations

import argparse
import json
import os

import pytest

from greenbench.cli import doctor
from greenbench.energy.doctor import WITHOUT_METER, examine_machine
from greenbench.energy.sources import rapl
from greenbench.errors import UserError


@pytest.fixture
def run(stub, capsys, monkeypatch):
    """Run the command on the stub's virtual clock; returns exit code and output."""
    monkeypatch.setattr(
        doctor, "examine_machine", lambda seconds: examine_machine(seconds, clock=stub.clock())
    )

    def call(*arguments: str) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        doctor.configure(parser)
        code = doctor.run(parser.parse_args(arguments))
        return code, capsys.readouterr().out

    return call


@pytest.fixture
def no_cpu(monkeypatch, tmp_path):
    monkeypatch.setattr(rapl.rapl_zones, "__defaults__", (tmp_path,))
    monkeypatch.setattr(rapl.open_rapl, "__defaults__", (None, tmp_path))


def test_a_sound_machine_is_exit_code_0(run):
    code, output = run()
    assert code == 0
    assert "nvml-counter, updated every 100 ms" in output
    assert "A measurement here would be valid." in output


def test_json_holds_what_was_found(run, stub):
    stub.wave([(0.0, 28.0), (0.4, 32.0)], repeat=0.8)
    code, output = run("--json")
    found = json.loads(output)
    (device,) = found["devices"]
    assert code == 0
    assert found["valid"] is True
    assert device["tick_ms"] == pytest.approx(100.0, abs=3)
    assert device["idle_power_w"] == pytest.approx(30.0, rel=0.01)
    assert device["idle_spread_w"] == pytest.approx(2.0, rel=0.1)
    assert device["counter_j"] == pytest.approx(180.0, rel=0.01)
    assert device["integral_j"] == pytest.approx(180.0, rel=0.03)
    assert device["problem"] is None


PROBLEMS = {
    "MIG": (["set 0 mig 1"], "split by MIG"),
    "a foreign process": ([f"process 0 {os.getppid()} 0 1e9"], "shared with"),
    "heat": (["set 0 thermal_share 0.5"], "throttled by heat"),
    "a permission": (["fault nvmlInitWithFlags -1 0 1e9 4"], "Insufficient Permissions"),
    "a driver of another version": (["fault nvmlInitWithFlags -1 0 1e9 18"], "version"),
    "a lost GPU": (["fault nvmlDeviceGetFieldValues -1 3 1e9 15"], "GPU is lost"),
    "counter and power apart": (["fault field:186 -1 0 1e9 0 1000"], "apart"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_exit_code_1_with_the_next_step(run, stub, name):
    lines, words = PROBLEMS[name]
    for line in lines:
        stub.command(line)
    code, output = run("--json")
    (device,) = json.loads(output)["devices"]
    assert code == 1
    assert device["valid"] is False
    assert words in device["problem"]
    assert device["next_step"] != WITHOUT_METER
    code, output = run()
    assert code == 1
    assert "PROBLEM" in output
    assert f"next step    {device['next_step']}" in output
    assert "would not be valid" in output


def test_every_device_is_examined_and_one_bad_one_counts(run, stub):
    stub.command("gpus 3")
    stub.command("set 1 mig 1")
    code, output = run("--json")
    assert code == 1
    assert [device["valid"] for device in json.loads(output)["devices"]] == [True, False, True]


def test_without_any_meter_gpu_and_cpu_are_explained(run, stub, no_cpu):
    stub.command("gpus 0")
    code, output = run("--json")
    gpu, cpu = json.loads(output)["devices"]
    assert code == 1
    assert "no GPU" in gpu["problem"]
    assert "RAPL" in cpu["problem"]
    assert gpu["next_step"] == WITHOUT_METER
    assert cpu["next_step"] == "measure on a machine of your own"


def test_a_short_examination_is_told_how_to_be_longer(run, stub):
    stub.command("set 0 tick 0.3")
    code, output = run("--json")
    (device,) = json.loads(output)["devices"]
    assert code == 1
    assert "short window" in device["problem"]
    assert device["next_step"] == "run doctor with more --seconds"


def test_too_short_an_examination_is_refused(run):
    with pytest.raises(UserError, match="--seconds 2 is too short"):
        run("--seconds", "2")
