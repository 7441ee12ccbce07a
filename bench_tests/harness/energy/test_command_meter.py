"""An external meter that a command reads: what it may print, and how it fails."""

from __future__ import annotations

import sys
import time

import pytest

from greenbench.energy import Status, check_source, open_meter
from greenbench.energy.clock import VirtualClock
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources import command
from greenbench.energy.sources.command import CommandDevice
from greenbench.errors import UserError


@pytest.mark.parametrize(
    ("printed", "power_w"),
    [
        ("123.4 W", 123.4),
        ("0.3 kW", 300.0),
        ("2500mW", 2.5),
        ("    Instantaneous power reading:                   210 Watts\n    Minimum: 100 Watts", 210.0),
        ("temp 40 C, 1.5e2 W", 150.0),
    ],
)
def test_the_first_amount_with_a_unit_counts(printed, power_w):
    device = CommandDevice(
        f"printf {printed!r}" if "\n" not in printed else f"echo '{printed}'", VirtualClock()
    )
    assert device.sample().power_w == pytest.approx(power_w)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo 123", "printed '123', and no power with its unit"),
        ("echo", "printed '', and no power"),
        ("false", "failed with exit code 1"),
        ("no-such-command-here", "cannot be run: No such file"),
        ("sh -c 'echo 5 W; echo off >&2; exit 3'", "exit code 3: off"),
    ],
)
def test_a_command_that_measures_nothing_is_refused(text, words):
    with pytest.raises(UserError, match="cannot measure on this machine") as caught:
        open_meter(f"command:{text}")
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["command:", "command", "command:'open", "command:  "])
def test_what_is_no_command_is_refused_before(text):
    with pytest.raises(UserError):
        check_source(text)


def test_a_window_is_of_the_whole_machine(tmp_path):
    script = tmp_path / "meter.py"
    script.write_text("print('50 W')")
    clock = VirtualClock()
    device = CommandDevice(f"{sys.executable} {script}", clock)
    with DeviceMeter("command", [device], clock=clock, period_s=1.0) as meter, meter.window("work") as window:
        clock.sleep(3.0)
        script.write_text("print('90 W')")
        clock.sleep(3.0)
    reading = window.reading
    assert reading.boundary == "machine"
    assert reading.energy_j == pytest.approx(420.0, abs=45.0)
    assert abs(reading.energy_j - 420.0) <= reading.uncertainty_j
    assert reading.status is Status.MEASURED_SHORT  # 6 updates


def test_one_that_hangs_is_ended_with_its_children(monkeypatch):
    monkeypatch.setattr(command, "PATIENCE_S", 0.2)
    start = time.monotonic()
    with pytest.raises(UserError, match=r"took more than 0\.2 s"):
        open_meter("command:sh -c 'sleep 60 & sleep 60'")
    assert time.monotonic() - start < 30
