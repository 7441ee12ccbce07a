"""What a result was measured on."""

from __future__ import annotations

import platform
from dataclasses import replace
from types import SimpleNamespace

import pynvml
import pytest
import torch
import torchvision

import greenbench
from bench_tests.harness.made_records import MACHINE
from greenbench.records import machine


def test_variables_that_change_the_arithmetic_are_part_of_the_machine(monkeypatch):
    for name in machine.ARITHMETIC:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNRELATED", "1")
    plain = machine.this_machine()
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    other = machine.this_machine()
    assert (plain.environment, other.environment) == ((), ("MKL_CBWR=COMPATIBLE",))
    assert replace(other, environment=()) == plain
    assert other.key != plain.key


def test_without_any_the_key_is_what_it_was_before_there_were_some():
    assert MACHINE.environment == ()
    assert MACHINE.key != replace(MACHINE, environment=("MKL_CBWR=AVX2",)).key


def test_the_number_of_threads_is_that_of_now():
    """A conftest or a plugin may change it between two cases, and sums depend on it."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = machine.this_machine()
        torch.set_num_threads(2)
        two = machine.this_machine()
    finally:
        torch.set_num_threads(before)
    assert (one.cpu_threads, two.cpu_threads) == (1, 2)
    assert one.key != two.key


def test_each_field_says_what_is_there(monkeypatch):
    card = SimpleNamespace(name="NVIDIA H200", uuid="GPU-1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    monkeypatch.setattr(machine, "_driver", lambda: "580.00")
    monkeypatch.setattr(machine, "_cpu_model", lambda: "a processor")
    assert machine._as_it_is.__wrapped__(3) == machine.Machine(
        cpu="a processor",
        cpu_threads=torch.get_num_threads(),
        gpu="NVIDIA H200",
        gpu_uuid="GPU-1",
        driver="580.00",
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        python=platform.python_version(),
        greenbench=greenbench.__version__,
        workers=3,
    )


def test_workers_with_a_card_each_are_on_one_machine_whichever_card_a_case_had(monkeypatch):
    with_gpu = replace(MACHINE, gpu="NVIDIA H200", gpu_uuid="a")
    monkeypatch.setattr(machine, "_as_it_is", lambda workers: replace(with_gpu, workers=workers))
    assert machine.this_machine(2, ("GPU-a", "GPU-b")).gpu_uuid == "GPU-a, GPU-b"
    assert machine.this_machine().gpu_uuid == "a"
    monkeypatch.setattr(machine, "_as_it_is", lambda workers: MACHINE)
    assert machine.this_machine(2, ("GPU-a", "GPU-b")).gpu_uuid is None, "torch computes on the CPU"


@pytest.mark.parametrize("said", ["580.00", b"580.00"])
def test_the_driver_is_what_the_library_says(said, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: said)
    assert machine._driver() == "580.00"


def test_without_a_driver_there_is_none(monkeypatch):
    def missing():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert machine._driver() is None
