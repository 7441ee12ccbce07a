"""The decorator and the with-statement: nothing that fails in them reaches the program."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from greenbench.energy import Status, measuring


@pytest.fixture(autouse=True)
def own_meters() -> Iterator[None]:
    measuring.shared_meter.cache_clear()
    yield
    measuring.shared_meter.cache_clear()


@pytest.fixture
def readings():
    return []


@pytest.fixture
def double(readings):
    @measuring.measured(report=readings.append, meter="estimate:50")
    def double(number: int) -> int:
        """Twice as much."""
        return 2 * number

    return double


def test_the_decorated_function_stays_itself(double, readings):
    assert double(4) == 8
    assert (double.__name__, double.__doc__, double.__wrapped__(3)) == ("double", "Twice as much.", 6)
    assert [reading.status for reading in readings] == [Status.ESTIMATED]


def test_a_device_that_cannot_be_waited_for_costs_the_reading_alone(double, readings, monkeypatch):
    def lost() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(measuring, "synchronize_loaded", lost)
    assert double(4) == 8
    (reading,) = readings
    assert reading.status is Status.INVALID
    assert "device-side assert" in reading.reason


def test_a_meter_that_is_closed_costs_the_reading_alone(double, readings):
    double(4)
    measuring.shared_meter("estimate:50").meters[0].close()  # as at the end of the program
    assert double(5) == 10
    assert "the meter is closed" in readings[1].reason


def test_a_meter_that_cannot_be_opened_costs_the_reading_alone():
    with measuring.measuring(meter="estimate:many") as window:
        pass
    assert window.reading.status is Status.NOT_MEASURED
    assert "is no power in watts" in window.reading.reason


def test_standard_error_that_cannot_be_written_is_no_error_of_the_function(monkeypatch):
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", ascii_only)
    answer = measuring.measured(meter="none")(lambda: 42)
    monkeypatch.setattr(measuring, "line_of", lambda *_: "±")
    assert answer() == 42
    ascii_only.close()
    assert answer() == 42
