"""The CPU's counters, on a powercap tree of files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

    def zone(self, folder: str, name: str, power_w: float, start_uj: int = 0, **watts: float) -> Path:
        path = self.root / folder
        path.mkdir()
        (path / "name").write_text(name + "\n")
        (path / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        for constraint, limit_w in watts.items():
            (path / f"constraint_{constraint[-1]}_{constraint[:-2]}_uw").write_text(f"{int(limit_w * 1e6)}\n")
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


def test_dies_that_show_one_counter_are_counted_once(powercap):
    for die in range(4):
        powercap.zone(f"intel-rapl:{die}", f"package-0-die-{die}", 100.0, start_uj=5_000_000)
    reading = measure(powercap).reading
    assert reading.energy_j == pytest.approx(1000.0, rel=1e-3)
    assert reading.uuid == "rapl-package-0-die-0"
    assert (
        sum("shows the counter of CPU package-0-die-0: counted once" in note for note in reading.notes) == 3
    )


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=4, unique=True), st.floats(1.0, 400.0))
@settings(deadline=None, max_examples=30)
def test_different_counters_are_never_taken_for_one(starts, power_w):
    with tempfile.TemporaryDirectory() as folder:
        powercap = Powercap(Path(folder))
        for die, start_uj in enumerate(starts):
            powercap.zone(f"intel-rapl:{die}", f"package-{die}", power_w, start_uj)
        assert len(rapl_zones(powercap.clock, powercap.root)) == len(starts)


def test_another_way_to_the_same_package_is_not_counted(powercap):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    powercap.zone("intel-rapl-mmio:0", "package-0", 40.0)
    assert measure(powercap).reading.energy_j == pytest.approx(400.0, rel=1e-3)


@pytest.mark.parametrize(
    ("watts", "bound_w"),
    [
        ({}, 1000.0),
        ({"max_power_0": 15.0, "power_limit_1": 64.0}, 75.0),
        ({"max_power_0": 125.0, "power_limit_1": 4095.0}, 625.0),
        ({"max_power_0": 15.0, "power_limit_1": 100.0}, 100.0),
        ({"max_power_0": 0.0, "power_limit_0": 200.0}, 1000.0),
        ({"max_power_0": 500.0}, 1000.0),
    ],
)
def test_what_a_package_can_draw_follows_from_its_ratings(powercap, watts, bound_w):
    powercap.zone("intel-rapl:0", "package-0", 10.0, **watts)
    with powercap.open() as meter:
        assert meter.devices[0].info.max_power_w == bound_w


@pytest.mark.parametrize("watts", [{}, {"max_power_0": 15.0}])
def test_a_leap_is_more_than_the_package_can_draw(powercap, watts):
    path = powercap.zone("intel-rapl:0", "package-0", 15.0, **watts)
    with powercap.open() as meter, meter.window("work") as window:
        powercap.clock.sleep(3.0)
        powercap.zones[0] = (path, 15.0, 9_000_000_000)
        powercap.clock.sleep(3.0)
    assert window.reading.status is Status.INVALID
    assert "leapt by" in window.reading.reason
    assert "above what the device can draw" in window.reading.reason


def test_a_package_that_stops_gives_no_number(powercap):
    path = powercap.zone("intel-rapl:0", "package-0", 40.0)
    with powercap.open() as meter, meter.window("work") as window:
        powercap.clock.sleep(3.0)
        powercap.zones[0] = (path, 0.0, 120_000_000)
        powercap.clock.sleep(3.0)
    assert window.reading.status is Status.INVALID
    assert "stood still" in window.reading.reason


def test_hours_before_a_window_are_not_its_business(powercap):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    with powercap.open() as meter:
        powercap.clock.sleep(40_000.0)
        with meter.window("work") as window:
            powercap.clock.sleep(10.0)
    assert window.reading.energy_j == pytest.approx(400.0, rel=1e-3)


def test_a_time_without_polls_in_which_the_counter_may_have_turned_twice_gives_no_number(powercap):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    with powercap.open() as meter, meter.window("work") as window:
        powercap.clock.sleep(5.0)
        for sampler in meter.samplers:
            sampler._attendant.rest()
        powercap.clock.sleep(10_000.0)
    assert window.reading.status is Status.INVALID
    assert "may have turned more than once" in window.reading.reason


def test_memory_that_stays_at_0_leaves_the_package_its_energy(powercap):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    powercap.zone("intel-rapl:0:0", "dram", 0.0)
    window = measure(powercap)
    package, memory = window.readings
    assert package.energy_j == pytest.approx(400.0, rel=1e-3)
    assert memory.energy_j is None


def test_memory_that_cannot_be_read_is_a_note_of_the_package(powercap):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    path = powercap.zone("intel-rapl:0:0", "dram", 5.0)
    powercap.zones.pop()
    (path / "energy_uj").write_text("nonsense")
    (reading,) = measure(powercap).readings
    assert reading.energy_j == pytest.approx(400.0, rel=1e-3)
    assert any("package-0-dram is not measured" in note for note in reading.notes)


def test_a_link_that_leads_nowhere_is_a_mask_and_no_absence(tmp_path):
    (tmp_path / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/intel-rapl/intel-rapl:0")
    with pytest.raises(SourceUnavailable, match="a container hides what it points to") as caught:
        rapl_zones(VirtualClock(), tmp_path)
    assert not caught.value.absent
    assert "docker run -v /sys/devices/virtual/powercap" in caught.value.next_step


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("energy_uj", ""),
        ("energy_uj", "-5"),
        ("energy_uj", "9" * 30),
        ("max_energy_range_uj", "0"),
        ("max_energy_range_uj", "x"),
    ],
)
def test_what_is_no_counter_is_a_sentence(powercap, file, text):
    path = powercap.zone("intel-rapl:0", "package-0", 40.0, start_uj=5)
    (path / file).write_text(text)
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        powercap.open()


def test_two_that_measure_the_cpu_know_of_each_other(powercap, lock_folder):
    powercap.zone("intel-rapl:0", "package-0", 40.0)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom greenbench.energy import lock\n"
        "lock.lock_folder = lambda: Path(sys.argv[1])\n"
        "lock.acquire('rapl-package-0'); print(flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(lock_folder)], stdout=subprocess.PIPE)
    other.stdout.readline()
    reading = measure(powercap).reading
    other.kill()
    other.communicate()
    assert reading.status is Status.MEASURED
    assert any(f"process {other.pid} is measuring on CPU package-0" in note for note in reading.notes)
