"""What a result was measured on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench_tests.harness.made_records import MACHINE
from greenbench.records import machine


@pytest.fixture
def fresh():
    machine.this_machine.cache_clear()
    yield machine.this_machine
    machine.this_machine.cache_clear()


def test_variables_that_change_the_arithmetic_are_part_of_the_machine(fresh, monkeypatch):
    for name in machine.ARITHMETIC:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNRELATED", "1")
    plain = fresh()
    fresh.cache_clear()
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    other = fresh()
    assert (plain.environment, other.environment) == ((), ("MKL_CBWR=COMPATIBLE",))
    assert replace(other, environment=()) == plain
    assert other.key != plain.key


def test_without_any_the_key_is_what_it_was_before_there_were_some():
    assert MACHINE.environment == ()
    assert MACHINE.key != replace(MACHINE, environment=("MKL_CBWR=AVX2",)).key
