"""Systems on a chip: Apple silicon and Jetson, each part by its own counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from queue import Empty
from threading import Lock
from typing import Any, NamedTuple

from greenbench.energy.clock import Clock
from greenbench.energy.device import DeviceFault, DeviceInfo, Sample
from greenbench.energy.sources.zeus.asking import ZeusDevice, amount, ask, notes_of

READ = "get_total_energy_consumption"


class Part(NamedTuple):
    """A field of the library's measurement, and what it is.

    The bounds of power are above the largest chips, an M3 Ultra and a Jetson Thor, and far below a thousand times what
    a small one draws.
    """

    field: str
    name: str
    part: str
    max_power_w: float


@dataclass(frozen=True)
class Chip:
    """A kind of system on a chip; see `DeviceInfo` for `tick_s` and `gain`.

    The first of `parts` decides whether there is a sum.
    """

    vendor: str
    title: str
    tick_s: float
    period_s: float
    gain: float
    parts: tuple[Part, ...]
    note: str


APPLE = Chip(
    vendor="apple",
    title="Apple silicon",
    # The system publishes these counters once or twice in 2.03 to 2.23 s (lablup/all-smi issues 410 and 415), the GPU's
    # at every read. One read takes 4 ms.
    tick_s=2.3,
    period_s=0.19,
    gain=0.1,  # assumed
    parts=(
        # The CPU never stands still. GPU and neural engine do, where nobody uses them, and are then not measured.
        Part("cpu_total_mj", "CPU", "CPU package", 400.0),
        Part("gpu_mj", "GPU", "GPU", 400.0),
        Part("dram_mj", "memory", "CPU memory", 100.0),
        Part("ane_mj", "neural engine", "neural engine", 50.0),
    ),
    note="Apple calls these energies estimates; of a chip of two dies (Ultra), one may be missing",
)

JETSON = Chip(
    vendor="jetson",
    title="Jetson",
    # A process of the library's adds power times time every 0.1 s, and after each question. Its answer is the sum
    # before. Each question costs a look at all sensors.
    tick_s=0.1,
    period_s=0.09,
    gain=0.05,  # assumed, for the sensors' shunts and amplifiers
    parts=(
        Part("total_energy_mj", "module", "SoC", 200.0),
        Part("gpu_energy_mj", "GPU", "GPU", 200.0),
        Part("cpu_energy_mj", "CPU", "CPU package", 200.0),
    ),
    note="a Jetson's rail of the CPU or the GPU may feed other parts too",
)


class SocReader:
    """The one way to a chip, whose parts are read by threads of their own."""

    def __init__(self, soc: Any) -> None:
        self._soc = soc
        self._lock = Lock()
        self._behind = False

    def read(self, clock: Clock) -> tuple[float, float, Any]:
        """Return between which times all energies were read, and these."""
        with self._lock:
            if self._behind:
                # A Jetson's answers come through a queue: the one that was late would be taken for the next one.
                raise DeviceFault(
                    f"zeus: {READ} once gave no answer in time, so later ones may be old", "start anew"
                )
            begin_s = clock.now()
            try:
                found = ask(READ, self._soc.get_total_energy_consumption)
            except DeviceFault as fault:
                self._behind = isinstance(fault.__cause__, Empty)
                raise
            return begin_s, clock.now(), found


reader_of = cache(SocReader)
"""All meters share one, as the library has one object for the chip."""


class SocPart(ZeusDevice):
    """One part of a chip.

    Raises
    ------
    DeviceFault
        Where it cannot be read.
    """

    def __init__(self, reader: SocReader, chip: Chip, part: Part, version: str, clock: Clock) -> None:
        self._reader = reader
        self._field = part.field
        self._clock = clock
        self.period_s = chip.period_s
        self.shared = not part.part.startswith("CPU")
        self.info = DeviceInfo(
            name=f"{chip.title} {part.name}",
            uuid=f"zeus-{chip.vendor}-{part.name.replace(' ', '-')}",
            method=f"zeus-{chip.vendor}",
            kind="counter",
            tick_s=chip.tick_s,
            gain=chip.gain,
            max_power_w=part.max_power_w,
            notes=(*notes_of(version, chip.gain), chip.note),
            part=part.part,
        )
        self.sample()

    def sample(self) -> Sample:
        """Read this part's counter."""
        begin_s, end_s, found = self._reader.read(self._clock)
        return Sample(begin_s, end_s, amount(self._field, getattr(found, self._field, None)))


def soc_parts(soc: Any, chip: Chip, version: str, clock: Clock) -> Sequence[SocPart]:
    """Open all parts of which this chip tells an energy; `DeviceFault` where one of these cannot be read."""
    reader = reader_of(soc)
    _, _, found = reader.read(clock)
    told = [part for part in chip.parts if getattr(found, part.field, None) is not None]
    if not told:
        raise DeviceFault(f"zeus: {READ} gave no energy of {chip.title}: {found!r}")
    return [SocPart(reader, chip, part, version, clock) for part in told]
