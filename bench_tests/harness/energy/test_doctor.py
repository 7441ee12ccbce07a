"""``greenbench doctor``: says what is wrong before it goes wrong."""

from __future__ import annotations

import json
import os

import pytest

from greenbench.energy.device import Device, DeviceInfo, Sample
from greenbench.energy.doctor import WITHOUT_METER
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources import rapl
from greenbench.errors import UserError


class Steady(Device):
    """A part of the CPU that draws 20 W."""

    def __init__(self, part: str, clock) -> None:
        self.info = DeviceInfo(part, part, "rapl", "counter", 0.001, 0.025, part=part)
        self._clock = clock

    def sample(self) -> Sample:
        now = self._clock.now()
        return Sample(now, now, 1000.0 + 20.0 * now)


@pytest.fixture
def cpu(monkeypatch):
    """Let the CPU show its counters."""

    def open_rapl(_synchronize, clock):
        parts = [Steady(part, clock) for part in ("CPU package", "CPU memory")]
        return DeviceMeter("rapl", parts, clock=clock, period_s=1.0)

    monkeypatch.setattr(rapl, "open_rapl", open_rapl)


def gpus_of(output: str) -> list[dict]:
    return [device for device in json.loads(output)["devices"] if device["boundary"] == "GPU"]


def test_a_sound_machine_is_exit_code_0(run_doctor):
    code, output = run_doctor()
    assert code == 0
    assert "nvml-counter, updated every 100 ms" in output
    assert "A measurement here would be valid, except of the CPU." in output
    assert "RAPL: no package" in output


def test_cpu_and_memory_are_shown_beside_the_gpu(run_doctor, cpu):
    code, output = run_doctor()
    assert code == 0
    for part in ("CPU package", "CPU memory"):
        assert f"\n{part} {part}\n" in output
    assert "A measurement here would be valid." in output


def test_without_a_gpu_the_cpu_decides(run_doctor, stub, cpu):
    stub.command("gpus 0")
    code, output = run_doctor("--json")
    assert code == 0
    assert [device["boundary"] for device in json.loads(output)["devices"]] == ["CPU package", "CPU memory"]


def test_a_gpu_that_cannot_be_read_is_not_replaced_by_the_cpu(run_doctor, stub, cpu):
    stub.fault("nvmlInitWithFlags", 18)
    code, output = run_doctor("--json")
    assert code == 1
    assert [device["valid"] for device in json.loads(output)["devices"]] == [False, True, True]


def test_json_holds_what_was_found(run_doctor, stub):
    stub.wave([(0.0, 28.0), (0.4, 32.0)], repeat=0.8)
    code, output = run_doctor("--json")
    found = json.loads(output)
    (device,) = gpus_of(output)
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
def test_a_problem_is_exit_code_1_with_the_next_step(run_doctor, stub, name):
    lines, words = PROBLEMS[name]
    for line in lines:
        stub.command(line)
    code, output = run_doctor("--json")
    (device,) = gpus_of(output)
    assert code == 1
    assert device["valid"] is False
    assert words in device["problem"]
    assert device["next_step"] != WITHOUT_METER
    code, output = run_doctor()
    assert code == 1
    assert "PROBLEM" in output
    assert f"next step    {device['next_step']}" in output
    assert "would not be valid" in output


def test_every_device_is_examined_and_one_bad_one_counts(run_doctor, stub):
    stub.command("gpus 3")
    stub.command("set 1 mig 1")
    code, output = run_doctor("--json")
    assert code == 1
    assert [device["valid"] for device in gpus_of(output)] == [True, False, True]


def test_without_any_meter_gpu_and_cpu_are_explained(run_doctor, stub):
    stub.command("gpus 0")
    code, output = run_doctor("--json")
    gpu, cpu = json.loads(output)["devices"]
    assert code == 1
    assert "no GPU" in gpu["problem"]
    assert "RAPL" in cpu["problem"]
    assert gpu["next_step"] == WITHOUT_METER
    assert cpu["next_step"].startswith("measure on a machine of your own")


def test_a_short_examination_is_told_how_to_be_longer(run_doctor, stub):
    stub.command("set 0 tick 0.3")
    code, output = run_doctor("--json")
    (device,) = gpus_of(output)
    assert code == 1
    assert "short window" in device["problem"]
    assert device["next_step"] == "run doctor with more --seconds"


@pytest.mark.parametrize("seconds", ["2", "nan", "inf", "-inf", "-1", "1e9"])
def test_an_examination_of_no_sensible_length_is_refused(run_doctor, seconds):
    with pytest.raises(UserError, match="it must be from 5 to 3600"):
        run_doctor(f"--seconds={seconds}")
