"""The CPU's counters, on a powercap tree of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from greenbench.energy import Status
from greenbench.energy.clock import VirtualClock
from greenbench.energy.device import SourceUnavailable
from greenbench.energy.sources.rapl import open_rapl, rapl_zones

RANGE_UJ = 262_143_328_850


class Powercap:
    """A tree as Linux shows it, whose counters follow a virtual clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.zones: list[tuple[Path, float, int]] = []
        self.clock = VirtualClock(self.write)

    def zone(self, folder: str, name: str, power_w: float, start_uj: int = 0) -> Path:
        path = self.root / folder
        path.mkdir()
        (path / "name").write_text(name + "\n")
        (path / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        self.zones.append((path, power_w, start_uj))
        self.write(0.0)
        return path

    def write(self, now: float) -> None:
        for path, power_w, start_uj in self.zones:
            (path / "energy_uj").write_text(f"{(start_uj + int(power_w * now * 1e6)) % RANGE_UJ}\n")

    def open(self):
        return open_rapl(lambda: None, self.clock, self.root)


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)


def measure(powercap: Powercap, seconds: float = 10.0):
    with powercap.open() as meter, meter.window("work") as window:
        powercap.clock.sleep(seconds)
    assert meter.name == "rapl"
    return window


def test_packages_and_memory_are_measured_each_and_their_parts_are_not_counted_twice(powercap):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    powercap.zone("intel-rapl:0:0", "core", 30.0)
    powercap.zone("intel-rapl:0:1", "dram", 5.0)
    powercap.zone("intel-rapl:1", "package-1", 20.0)
    powercap.zone("intel-rapl:2", "psys", 90.0)
    window = measure(powercap)
    energies = {reading.uuid: reading.energy_j for reading in window.readings}
    expected = {"rapl-package-0": 400.0, "rapl-package-0-dram": 50.0, "rapl-package-1": 200.0}
    assert energies == pytest.approx(expected, rel=1e-3)
    assert window.reading.energy_j == pytest.approx(650.0, rel=1e-3)
    assert window.reading.status is Status.MEASURED
    assert window.reading.method == "rapl"


def test_a_wrap_of_the_counter_is_undone(powercap):
    powercap.zone("intel-rapl:0", "package-0", 50.0, start_uj=RANGE_UJ - 100_000_000)
    assert measure(powercap).reading.energy_j == pytest.approx(500.0, rel=1e-3)


def test_many_wraps_in_a_long_window_are_undone(powercap):
    powercap.zone("intel-rapl:0", "package-0", 800.0)
    assert measure(powercap, 1250.0).reading.energy_j == pytest.approx(1e6, rel=1e-3)


def test_a_reset_counter_is_no_wrap(powercap):
    path = powercap.zone("intel-rapl:0", "package-0", 50.0, start_uj=RANGE_UJ // 2)
    with powercap.open() as meter, meter.window("work") as window:
        powercap.clock.sleep(5.0)
        powercap.zones[0] = (path, 50.0, 0)
        powercap.clock.sleep(5.0)
    assert window.reading.status is Status.INVALID
    assert "was reset" in window.reading.reason
    assert window.reading.energy_j is None


def test_a_counter_that_vanishes_voids_the_window(powercap):
    path = powercap.zone("intel-rapl:0", "package-0", 50.0)
    with powercap.open() as meter, meter.window("work") as window:
        powercap.clock.sleep(5.0)
        powercap.zones.clear()
        (path / "energy_uj").unlink()
        powercap.clock.sleep(5.0)
    assert window.reading.status is Status.INVALID
    assert "cannot be read" in window.reading.reason


def test_a_counter_that_stands_still_is_not_believed(powercap):
    powercap.zone("intel-rapl:0", "package-0", 0.0)
    reading = measure(powercap).reading
    assert reading.status is Status.INVALID
    assert "stood still" in reading.reason


def test_a_short_window_is_marked(powercap):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    assert measure(powercap, 1.0).reading.status is Status.MEASURED_SHORT


def test_refused_permission_is_said_with_the_command_that_grants_it(powercap, monkeypatch):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    read_text = Path.read_text

    def refuse(path: Path, *args, **kwargs):  # the tests may run as root, whom no mode stops
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read_text(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SourceUnavailable, match=r"sudo chmod a\+r /sys/class/powercap") as caught:
        powercap.open()
    assert not caught.value.absent
    assert "chmod" in caught.value.next_step
    assert "chmod" not in caught.value.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused_permission(powercap):
    (powercap.zone("intel-rapl:0", "package-0", 40.0) / "energy_uj").chmod(0)
    with pytest.raises(SourceUnavailable, match="not permitted"):
        powercap.open()


def test_a_machine_without_zones_is_told_apart(tmp_path):
    with pytest.raises(SourceUnavailable, match="a virtual machine hides it") as caught:
        rapl_zones(VirtualClock(), tmp_path)
    assert caught.value.absent
