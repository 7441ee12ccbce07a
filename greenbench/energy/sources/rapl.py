"""CPU packages and memory through RAPL, as Linux shows it under /sys/class/powercap.

Zones ``package-N`` and, inside them, ``dram`` are measured; ``core`` and ``uncore`` are parts of the
package, and ``psys`` would count everything twice. The counters are in microjoules, move about every
millisecond, and start again at ``max_energy_range_uj``: on a busy package after some minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import Device, DeviceFault, DeviceInfo, Sample, SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources import Source

POWERCAP = Path("/sys/class/powercap")

GAIN = 0.025
"""Standard uncertainty of the calibration since Haswell: a few percent against wall power."""

TICK_S = 0.001
PERIOD_S = 1.0
"""Often enough to see every wrap of the counter."""

MAX_POWER_W = 2000.0
"""No package draws more. A step back that would mean more is a reset, not a wrap."""

PERMISSION = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"


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
            self._last_uj = int(self._file.read_text())
        except PermissionError as error:
            raise SourceUnavailable(
                f"RAPL: reading {self._file} is not permitted",
                f"run '{PERMISSION}', which permits it until the next boot",
            ) from error
        except (OSError, ValueError) as error:
            raise SourceUnavailable(f"RAPL: {self._file} cannot be read: {error}") from error
        self.info = DeviceInfo(
            name=f"CPU {name}",
            uuid=f"rapl-{name}",
            method="rapl",
            kind="counter",
            tick_s=TICK_S,
            gain=GAIN,
            max_power_w=MAX_POWER_W,
            part="CPU memory" if name.endswith("dram") else "CPU package",
        )

    def sample(self) -> Sample:
        """Read the counter."""
        begin_s = self._clock.now()
        try:
            now_uj = int(self._file.read_text())
        except (OSError, ValueError) as error:
            raise DeviceFault(f"RAPL: {self._file} cannot be read: {error}") from error
        end_s = self._clock.now()
        if now_uj < self._last_uj:
            step_j = (self._range_uj - self._last_uj + now_uj) / 1e6
            if step_j > MAX_POWER_W * (end_s - self._last_s):
                raise DeviceFault("RAPL: the counter was reset, not wrapped")
            self._turns_uj += self._range_uj
        self._last_uj, self._last_s = now_uj, end_s
        return Sample(begin_s, end_s, (self._turns_uj + now_uj) / 1e6)


def rapl_zones(clock: Clock, root: Path = POWERCAP) -> list[RaplZone]:
    """Open all packages and their memory.

    Raises
    ------
    SourceUnavailable
        Where there is no zone, or no permission.
    """
    zones = []
    for folder in sorted(root.glob("intel-rapl:*")):
        try:
            name = (folder / "name").read_text().strip()
        except OSError:
            continue
        if name == "dram":
            package = folder.name.rpartition(":")[0]
            name = f"{(root / package / 'name').read_text().strip()}-dram"
        elif not name.startswith("package"):
            continue
        zones.append(RaplZone(folder, name, clock))
    if not zones:
        raise SourceUnavailable(
            f"RAPL: no package under {root} (a virtual machine hides it)",
            "measure on a machine of your own",
            absent=True,
        )
    return zones


def open_rapl(
    synchronize: Callable[[], None], clock: Clock | None = None, root: Path = POWERCAP
) -> DeviceMeter:
    """Open a meter on the CPU packages and their memory; errors as `rapl_zones`."""
    clock = clock or SystemClock()
    zones = rapl_zones(clock, root)
    return DeviceMeter("rapl", zones, synchronize=synchronize, clock=clock, period_s=PERIOD_S)


SOURCES = (Source("rapl", lambda request: open_rapl(request.synchronize), rank=2),)
