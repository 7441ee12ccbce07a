"""CPU packages and memory through RAPL, as Linux shows it under /sys/class/powercap.

Zones ``package-N`` and, inside them, ``dram`` are measured; ``core`` and ``uncore`` are parts of the
package, and ``psys`` would count everything twice. So would ``intel-rapl-mmio``, another way to the same
package. The counters are in microjoules, move about every millisecond, and start again at
``max_energy_range_uj``: on a busy package after some minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from greenbench.energy.busy import Reservation
from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import Device, DeviceFault, DeviceInfo, Sample, SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources import Source

POWERCAP = Path("/sys/class/powercap")
PERMISSION = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
MOUNT = "mount it into the container: docker run -v {0}:{0}:ro"
MASKED = "/sys/devices/virtual/powercap"

GAIN = 0.025
"""Standard uncertainty of the calibration since Haswell: a few percent against wall power."""

TICK_S = 0.001
PERIOD_S = 0.5
"""Often enough to see every wrap of the counter, and one that stops."""

PACKAGE, MEMORY = "CPU package", "CPU memory"
MAX_POWER_W = {PACKAGE: 1000.0, MEMORY: 500.0}
"""No package, and no memory of one, draws more."""

PEAK = 5.0
"""A package may draw so many times its rated power for a moment: laptops have a limit of 15 W and peaks of 64 W."""

ALIAS_LOOKS = 3
ALIAS_PAUSE_S = 0.003


class RaplZone(Device):
    """One zone's energy counter, its wraps undone.

    Raises
    ------
    SourceUnavailable
        Where the counter cannot be read, with the command that permits it.
    """

    def __init__(self, folder: Path, name: str, clock: Clock) -> None:
        self._file = folder / "energy_uj"
        self._clock = clock
        self._turns_uj = 0
        self._last_s = clock.now()
        try:
            self._range_uj = int((folder / "max_energy_range_uj").read_text())
            self._last_uj = self.count_uj()
        except PermissionError as error:
            raise SourceUnavailable(
                f"RAPL: reading {self._file} is not permitted",
                f"run '{PERMISSION}', which permits it until the next boot",
            ) from error
        except (OSError, ValueError) as error:
            raise SourceUnavailable(f"RAPL: {self._file} cannot be read: {error}") from error
        part = MEMORY if name.endswith("dram") else PACKAGE
        self.bound_w = _bound_w(folder, part)
        self.info = DeviceInfo(
            name=f"CPU {name}",
            uuid=f"rapl-{name}",
            method="rapl",
            kind="counter",
            tick_s=TICK_S,
            gain=GAIN,
            max_power_w=self.bound_w,
            part=part,
        )

    def count_uj(self) -> int:
        """Read the counter; `OSError` or `ValueError` where it gives no count."""
        count_uj = int(self._file.read_text())
        if not 0 <= count_uj <= self._range_uj or not self._range_uj:
            raise ValueError(f"{count_uj} is not within 0 and {self._range_uj}")
        return count_uj

    def begin(self) -> None:
        """Forget how long nobody has looked: only what happens in a window is counted."""
        try:
            self._last_uj, self._last_s = self.count_uj(), self._clock.now()
        except (OSError, ValueError):
            return  # the first sample says so

    def sample(self) -> Sample:
        """Read the counter."""
        begin_s = self._clock.now()
        try:
            now_uj = self.count_uj()
        except (OSError, ValueError) as error:
            raise DeviceFault(f"RAPL: {self._file} cannot be read: {error}") from error
        end_s = self._clock.now()
        gap_s = end_s - self._last_s
        if self.bound_w * gap_s > self._range_uj / 1e6:
            self._last_uj, self._last_s = now_uj, end_s
            raise DeviceFault(
                f"RAPL: no poll for {gap_s:.0f} s, in which the counter may have turned more than once"
            )
        if now_uj < self._last_uj:
            step_j = (self._range_uj - self._last_uj + now_uj) / 1e6
            if step_j > self.bound_w * (gap_s + TICK_S):
                self._last_uj, self._last_s = now_uj, end_s
                raise DeviceFault("RAPL: the counter was reset, not wrapped")
            self._turns_uj += self._range_uj
        self._last_uj, self._last_s = now_uj, end_s
        return Sample(begin_s, end_s, (self._turns_uj + now_uj) / 1e6)


def _bound_w(folder: Path, part: str) -> float:
    """Return what the zone can draw at most, by the powers that it is rated and limited for."""
    rated_w = [watts for file in folder.glob("constraint_*_max_power_uw") if (watts := _watts(file))]
    limits_w = [watts for file in folder.glob("constraint_*_power_limit_uw") if (watts := _watts(file))]
    most_w = MAX_POWER_W[part]
    if not rated_w:
        return most_w
    # A limit above anything, such as 4,095 W, is none.
    return min(most_w, max([PEAK * max(rated_w), *(watts for watts in limits_w if watts <= most_w)]))


def _watts(file: Path) -> float | None:
    try:
        return int(file.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def rapl_zones(clock: Clock, root: Path) -> list[RaplZone]:
    """Open all packages and their memory. Of zones that show one and the same counter, the first.

    Raises
    ------
    SourceUnavailable
        Where there is no zone, or no permission.
    """
    zones: list[RaplZone] = []
    notes: list[str] = []
    masked: list[Path] = []
    for folder in sorted(root.glob("intel-rapl:*")):
        try:
            name = (folder / "name").read_text().strip()
        except OSError:
            masked += [folder] if not folder.exists() or not list(folder.iterdir()) else []
            continue
        if name == "dram":
            package = folder.name.rpartition(":")[0]
            name = f"{_name(root / package)}-dram"
        elif not name.startswith("package"):
            continue
        try:
            zones.append(RaplZone(folder, name, clock))
        except SourceUnavailable as unavailable:
            if not name.endswith("dram"):
                raise
            notes.append(f"{name} is not measured: {unavailable.reason}")
    if masked and not zones:
        raise SourceUnavailable(
            f"RAPL: {masked[0]} leads nowhere: a container hides what it points to",
            f"{MOUNT.format(MASKED)}; the counters must be readable too ({PERMISSION})",
        )
    if not zones:
        raise SourceUnavailable(
            f"RAPL: no package under {root} (a virtual machine hides it, or the kernel lacks intel_rapl_common)",
            "measure on a machine of your own, or run 'sudo modprobe intel_rapl_msr'",
            absent=True,
        )
    return _distinct(zones, clock, notes)


def _name(folder: Path) -> str:
    try:
        return (folder / "name").read_text().strip()
    except OSError:
        return folder.name


def _distinct(zones: Sequence[RaplZone], clock: Clock, notes: Sequence[str]) -> list[RaplZone]:
    """Leave out zones that show another zone's counter, as the dies of one AMD package do."""
    kept: list[RaplZone] = []
    said = list(notes)
    for zone in zones:
        twin = next((other for other in kept if _is_one_counter(other, zone, clock)), None)
        if twin is None:
            kept.append(zone)
        else:
            said.append(f"{zone.info.name} shows the counter of {twin.info.name}: counted once")
    for zone in kept:
        zone.info = replace(zone.info, notes=(*zone.info.notes, *said))
    return kept


def _is_one_counter(first: RaplZone, second: RaplZone, clock: Clock) -> bool:
    """Whether each look at the second lies between two looks at the first. Counters at 0 are dead, not one."""
    if first.info.part != second.info.part:
        return False
    for look in range(ALIAS_LOOKS):
        if look:
            clock.sleep(ALIAS_PAUSE_S)
        try:
            before_uj, between_uj, after_uj = first.count_uj(), second.count_uj(), first.count_uj()
        except (OSError, ValueError):
            return False
        if not before_uj <= between_uj <= after_uj or not after_uj:
            return False
    return True


def open_rapl(
    synchronize: Callable[[], None], clock: Clock | None = None, root: Path | None = None
) -> DeviceMeter:
    """Open a meter on the CPU packages and their memory; errors as `rapl_zones`.

    Others always compute on a CPU too. Another process that measures there is named in the readings' notes.
    """
    clock = clock or SystemClock()
    zones = rapl_zones(clock, root or POWERCAP)
    reservation = Reservation(zones, "mark", clock)
    return DeviceMeter(
        "rapl",
        zones,
        synchronize=synchronize,
        clock=clock,
        period_s=PERIOD_S,
        notes=tuple(reservation.notes),
        on_close=reservation.release,
    )


SOURCES = (Source("rapl", lambda request: open_rapl(request.synchronize), rank=2, part=PACKAGE),)
