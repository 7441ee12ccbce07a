"""What a result was measured on."""

from __future__ import annotations

from dataclasses import replace

import torch

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
