"""One NVIDIA GPU as a device that can be sampled."""

from __future__ import annotations

from collections.abc import Callable

import pynvml

from greenbench.energy.clock import Clock
from greenbench.energy.device import (
    Contention,
    Device,
    DeviceFault,
    DeviceInfo,
    EdgeState,
    Sample,
    SourceUnavailable,
)
from greenbench.energy.sampler import USUAL_PERIOD_S, poll_period
from greenbench.energy.sources.nvml.errors import fault, optional, text, unavailable
from greenbench.energy.sources.nvml.processes import contention_of
from greenbench.energy.sources.nvml.readers import choose_reader, paper_reader

GAIN = 0.065
"""Standard uncertainty of a GPU's calibration: errors of -8 to +13 % against an external meter over six
models (Yang, Adamek, Armour, SC24), so 13 % at two sigma."""

MAX_POWER_W = {"gpu": 2000.0, "module": 5000.0}
"""No accelerator draws more: the bound where the power limit is not known."""

THROTTLES = (pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL, pynvml.NVML_FI_DEV_PERF_POLICY_POWER)
"""Nanoseconds in which heat, or the power limit, held the clock down."""


class NvmlDevice(Device):
    """One GPU.

    Parameters
    ----------
    handle
        NVML's handle.
    clock
        Stamps the samples, and passes while the update period is probed.
    method
        ``counter`` (power readings where there is no counter) or ``paper``.
    scope
        ``gpu``, or ``module`` on superchips.

    Raises
    ------
    SourceUnavailable
        Where the GPU cannot be measured: it is split by MIG, lost, or gives neither energy nor power.
    """

    def __init__(self, handle: object, clock: Clock, method: str = "counter", scope: str = "gpu") -> None:
        self._handle = handle
        self._clock = clock
        try:
            name = text(lambda: pynvml.nvmlDeviceGetName(handle))
            self._uuid = text(lambda: pynvml.nvmlDeviceGetUUID(handle))
            _refuse_mig(handle, name)
            reader = paper_reader(handle) if method == "paper" else choose_reader(handle, clock, scope)
            limit_w = _limit_w(handle)
        except (DeviceFault, pynvml.NVMLError) as error:
            raise unavailable(error) from error
        self._read = reader.read
        self.period_s = reader.tick_s if reader.kind == "paper" else poll_period(reader.tick_s)
        bound_w = MAX_POWER_W[scope]
        believable = scope == "gpu" and limit_w is not None and 1.0 < limit_w < bound_w
        of_module = scope == "module"
        self.info = DeviceInfo(
            name=name,
            uuid=self._uuid,
            method=reader.method + ("-module" if of_module else ""),
            kind=reader.kind,
            tick_s=reader.tick_s,
            gain=GAIN,
            power_lag_s=reader.power_lag_s,
            max_power_w=limit_w if believable else bound_w,
            notes=reader.notes + (("the whole module: GPU, CPU and memory",) if of_module else ()),
            part="module" if of_module else "GPU",
        )

    def sample(self) -> Sample:
        """Read energy and power at once."""
        begin_s = self._clock.now()
        try:
            energy_j, power_w = self._read()
        except pynvml.NVMLError as error:
            raise fault(error) from error
        return Sample(begin_s, self._clock.now(), energy_j, power_w)

    def edge(self) -> EdgeState:
        """Read everything else. What the GPU does not tell is None; a GPU that is gone is a fault."""
        handle = self._handle
        thermal_s, power_s = self._throttles()
        contention = self.foreign()
        return EdgeState(
            uuid=text(lambda: pynvml.nvmlDeviceGetUUID(handle)),
            driver=optional(lambda: text(pynvml.nvmlSystemGetDriverVersion)),
            temperature_c=optional(
                lambda: float(pynvml.nvmlDeviceGetTemperatureV(handle, pynvml.NVML_TEMPERATURE_GPU))
            ),
            sm_clock_mhz=optional(lambda: float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))),
            memory_clock_mhz=optional(
                lambda: float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM))
            ),
            power_limit_w=optional(lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3),
            thermal_throttle_s=thermal_s,
            power_throttle_s=power_s,
            contention=contention.state,
            processes=contention.processes,
        )

    def _throttles(self) -> tuple[float | None, float | None]:
        values = optional(lambda: pynvml.nvmlDeviceGetFieldValues(self._handle, THROTTLES))
        if values is None:
            return None, None
        thermal_s, power_s = (
            value.value.ullVal / 1e9 if value.nvmlReturn == pynvml.NVML_SUCCESS else None for value in values
        )
        return thermal_s, power_s

    def foreign(self) -> Contention:
        """Read who computes or draws on the GPU."""
        pids: list[int] = []
        for listed in (
            pynvml.nvmlDeviceGetComputeRunningProcesses,
            pynvml.nvmlDeviceGetGraphicsRunningProcesses,
        ):
            try:
                pids += [process.pid for process in listed(self._handle)]
            except pynvml.NVMLError as error:
                if listed is pynvml.nvmlDeviceGetComputeRunningProcesses:
                    return contention_of(None, str(fault(error)))
        return contention_of(pids)


class LostDevice(Device):
    """A GPU that cannot be measured, beside others that can: its readings say why."""

    def __init__(self, uuid: str, why: SourceUnavailable) -> None:
        self.info = DeviceInfo(f"GPU {uuid}", uuid, "none", "counter", 0.1, GAIN)
        self.period_s = USUAL_PERIOD_S
        self._why = why

    def sample(self) -> Sample:
        """Raise the reason."""
        raise DeviceFault(self._why.reason, self._why.next_step)


def _limit_w(handle: object) -> float | None:
    """Return the power limit in force, or the highest that the GPU allows."""
    calls: tuple[Callable[[], int], ...] = (
        lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle),
        lambda: pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)[1],
    )
    found_mw = next((limit_mw for call in calls if (limit_mw := optional(call)) is not None), None)
    return None if found_mw is None else found_mw / 1e3


def _refuse_mig(handle: object, name: str) -> None:
    mode = optional(lambda: pynvml.nvmlDeviceGetMigMode(handle))
    if mode is not None and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
        raise SourceUnavailable(
            f"{name} is split by MIG, and NVML's energy is that of the whole GPU",
            "turn MIG off (nvidia-smi -mig 0), or choose a GPU without it",
        )
