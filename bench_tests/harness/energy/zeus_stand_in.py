"""A stand-in of the library zeus, with its names, signatures and units, on machines that follow a virtual clock.

`test_zeus` holds names and signatures against the real library, where that is installed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType

from greenbench.energy import open_meter
from greenbench.energy.clock import VirtualClock

VERSION = "0.16.0"


class ZeusGPUInitError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)


class ZeusGPUNotSupportedError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)


class ZeusSoCInitError(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)


class Load:
    """Something that draws power. `energy_j` follows the clock; a test may set both."""

    def __init__(self, power_w: float) -> None:
        self.power_w = power_w
        self.energy_j = 5000.0


class World:
    """The machine: what draws power, the time, and what the library says of it."""

    def __init__(self) -> None:
        self.clock = VirtualClock(self._move)
        self.loads: list[Load] = []
        self._now = 0.0
        self.gpus = None
        self.soc = None

    def load(self, power_w: float) -> Load:
        self.loads.append(Load(power_w))
        return self.loads[-1]

    def _move(self, now: float) -> None:
        for load in self.loads:
            load.energy_j += load.power_w * (now - self._now)
        self._now = now

    def install(self, monkeypatch) -> None:
        """Put the library of this machine where imports find it."""

        def get_gpus(ensure_homogeneous: bool = False) -> GPUs:  # noqa: F821
            if self.gpus is None:
                raise ZeusGPUInitError("NVML and AMDSMI unavailable.")
            return self.gpus

        def get_soc() -> SoC:  # noqa: F821
            if self.soc is None:
                raise ZeusSoCInitError("No observable SoC was found on the current machine.")
            return self.soc

        names = {
            "zeus": {"__version__": VERSION},
            "zeus.device": {"get_gpus": get_gpus, "get_soc": get_soc},
            "zeus.device.gpu": {
                "AMDGPUs": AMDGPUs,
                "NVIDIAGPUs": NVIDIAGPUs,
                "ZeusGPUInitError": ZeusGPUInitError,
                "ZeusGPUNotSupportedError": ZeusGPUNotSupportedError,
            },
            "zeus.device.soc": {
                "AppleSilicon": AppleSilicon,
                "Jetson": Jetson,
                "ZeusSoCInitError": ZeusSoCInitError,
            },
        }
        for name, attributes in names.items():
            module = ModuleType(name)
            vars(module).update(attributes)
            monkeypatch.setitem(sys.modules, name, module)


class AMDGPU:
    """`load` is its power; the other attributes are what a test may break."""

    load: Load
    name = "AMD Instinct MI300X"

    def __init__(self, gpu_index: int) -> None:
        self.gpu_index = gpu_index
        self.counts = True
        self.answers: dict[str, object] = {}

    def _answer(self, what: str, usual: object) -> object:
        answer = self.answers.get(what, usual)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get_name(self) -> str:
        return self._answer("get_name", self.name)

    def supports_get_total_energy_consumption(self) -> bool:
        return self.counts

    def get_total_energy_consumption(self) -> int:
        return self._answer("get_total_energy_consumption", int(1000 * self.load.energy_j))

    def get_average_power_usage(self) -> int:
        return self._answer("get_average_power_usage", int(1000 * self.load.power_w))

    def get_instant_power_usage(self) -> int:
        return self._answer("get_instant_power_usage", int(1000 * self.load.power_w))

    def get_power_management_limit_constraints(self) -> tuple[int, int]:
        return self._answer("get_power_management_limit_constraints", (0, 750_000))

    def get_power_management_limit(self) -> int:
        return self._answer("get_power_management_limit", 750_000)

    def get_gpu_temperature(self) -> int:
        return self._answer("get_gpu_temperature", 61)


class AMDGPUs:
    def __init__(self, ensure_homogeneous: bool = False) -> None:
        self._gpus: list[AMDGPU] = []

    @property
    def gpus(self) -> list[AMDGPU]:
        return self._gpus


class NVIDIAGPUs:
    def __init__(self, ensure_homogeneous: bool = False) -> None:
        pass


@dataclass
class AppleSiliconMeasurement:
    cpu_total_mj: int | None = None
    efficiency_cores_mj: list[int] | None = None
    performance_cores_mj: list[int] | None = None
    efficiency_cluster_mj: list[int] | None = None
    performance_cluster_mj: list[int] | None = None
    efficiency_core_manager_mj: int | None = None
    performance_core_manager_mj: int | None = None
    dram_mj: int | None = None
    gpu_mj: int | None = None
    gpu_sram_mj: int | None = None
    ane_mj: int | None = None


@dataclass
class JetsonMeasurement:
    cpu_energy_mj: float | None = None
    gpu_energy_mj: float | None = None
    total_energy_mj: float | None = None


class AppleSilicon:
    """Counters that the system publishes at uneven times, the GPU's at every read."""

    PAUSES_S = (0.8, 1.3)

    def __init__(self) -> None:
        self.loads: dict[str, Load] = {}
        self.answers: dict[str, object] = {}
        self.fault: Exception | None = None
        self._published: dict[str, int] = {}
        self._pauses = 0

    def follow(self, clock: VirtualClock) -> None:
        clock.repeat(0.0, self._publish)

    def _publish(self) -> float:
        self._published = {field: int(1000 * load.energy_j) for field, load in self.loads.items()}
        self._pauses += 1
        return self.PAUSES_S[self._pauses % 2]

    def get_total_energy_consumption(self) -> AppleSiliconMeasurement:
        if self.fault is not None:
            raise self.fault
        told = {**self._published}
        if "gpu_mj" in self.loads:
            told["gpu_mj"] = int(1000 * self.loads["gpu_mj"].energy_j)
        return AppleSiliconMeasurement(**{**told, **self.answers})


class Jetson:
    """Sums of a process that looks every 0.1 s and after each question, and answers with the sum before."""

    def __init__(self) -> None:
        self.loads: dict[str, Load] = {}
        self.answers: dict[str, object] = {}
        self.fault: Exception | None = None
        self._summed: dict[str, float] = {}

    def follow(self, clock: VirtualClock) -> None:
        clock.every(0.1, self._look)
        self._look()

    def _look(self) -> None:
        self._summed = {field: 1000 * load.energy_j for field, load in self.loads.items()}

    def get_total_energy_consumption(self, timeout: float = 15.0) -> JetsonMeasurement:
        if self.fault is not None:
            raise self.fault
        told = JetsonMeasurement(**{**self._summed, **self.answers})
        self._look()
        return told


APPLE_W = {"cpu_total_mj": 20.0, "gpu_mj": 30.0, "dram_mj": 4.0, "ane_mj": 2.0}
JETSON_W = {"total_energy_mj": 25.0, "gpu_energy_mj": 12.0, "cpu_energy_mj": 6.0}


def amd(world, *powers_w):
    world.gpus = AMDGPUs()
    for index, power_w in enumerate(powers_w or (300.0,)):
        gpu = AMDGPU(index)
        gpu.load = world.load(power_w)
        world.gpus.gpus.append(gpu)
    return world.gpus.gpus[0]


def chip(world, kind, powers_w):
    world.soc = kind()
    world.soc.loads = {field: world.load(power_w) for field, power_w in powers_w.items()}
    world.soc.follow(world.clock)
    world.clock.sleep(3.0)
    return world.soc


def apple(world, **powers_w):
    return chip(world, AppleSilicon, powers_w or APPLE_W)


def jetson(world, **powers_w):
    return chip(world, Jetson, powers_w or JETSON_W)


MACHINES = {"amd": amd, "apple": apple, "jetson": jetson}


def measure(world, name="zeus", seconds=20.0, midway=lambda: None, **options):
    with open_meter(name, **options) as meter, meter.window("work") as window:
        world.clock.sleep(seconds / 2)
        midway()
        world.clock.sleep(seconds / 2)
    return window


def silent(gpu):
    gpu.counts = False
    for what in ("get_average_power_usage", "get_instant_power_usage"):
        gpu.answers[what] = ZeusGPUNotSupportedError("a chiplet")


def loads_of(world, machine):
    made = MACHINES[machine](world)
    return [made.load] if machine == "amd" else list(made.loads.values())
