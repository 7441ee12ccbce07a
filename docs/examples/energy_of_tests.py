"""The energy of any test: a stretch of it, one call of a function, and a budget. Needs no case and no torch."""

import hashlib

import pytest

DATA = bytes(100_000)


def test_a_stretch_of_work(green_energy):
    with green_energy.window("hash") as window:
        for _ in range(1000):
            hashlib.sha256(DATA)
    reading = window.reading
    assert reading.energy_j is not None or reading.reason  # never 0 for what was not measured


def test_one_call(green_energy):
    # Without repeats: as many calls as the meter needs, about 6 s.
    one = green_energy.measure(lambda: hashlib.sha256(DATA), repeats=1200)
    assert one.calls == 1200
    assert one.seconds > 0


@pytest.mark.green_budget(energy="1 kJ", time="10 s", co2="1 g")
def test_within_its_budget():
    for _ in range(1000):
        hashlib.sha256(DATA)
