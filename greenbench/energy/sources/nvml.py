"""NVIDIA GPUs through NVML: which are ours, and how each is sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pynvml

from greenbench.energy.busy import Reservation
from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import Device, DeviceFault, DeviceInfo, EdgeState, Sample, SourceUnavailable
from greenbench.energy.meter import PERIOD_S, DeviceMeter
from greenbench.energy.sources.nvml_errors import ABSENT, explain, optional, required
from greenbench.energy.sources.nvml_readers import choose_reader, paper_reader
from greenbench.energy.sources.processes import Contention, contention_of
from greenbench.energy.sources.visible import visible_uuids

GAIN = 0.065
"""Standard uncertainty of a card's calibration: errors of -8 to +13 % against an external meter over six
models (Yang, Adamek, Armour, SC24), so 13 % at two sigma."""

MAX_POWER_W = 5000.0
"""No accelerator draws more: the bound where no believable limit is known."""

SHORTEST_PERIOD_S = 0.010

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
            name = str(required(lambda: pynvml.nvmlDeviceGetName(handle)))
            self._uuid = str(required(lambda: pynvml.nvmlDeviceGetUUID(handle)))
            _refuse_mig(handle, name)
            reader = paper_reader(handle) if method == "paper" else choose_reader(handle, clock, scope)
            limit_w = optional(lambda: pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3)
        except DeviceFault as fault:
            raise SourceUnavailable(str(fault)) from fault
        except pynvml.NVMLError as error:
            raise SourceUnavailable(explain(error)) from error
        self._read = reader.read
        paced = max(SHORTEST_PERIOD_S, min(PERIOD_S, reader.tick_s / 2))
        self.period_s = reader.tick_s if reader.kind == "paper" else paced
        believable = scope == "gpu" and limit_w is not None and 1.0 < limit_w < MAX_POWER_W
        of_module = scope == "module"
        self.info = DeviceInfo(
            name=name,
            uuid=self._uuid,
            method=reader.method + ("-module" if of_module else ""),
            kind=reader.kind,
            tick_s=reader.tick_s,
            gain=GAIN,
            power_lag_s=reader.power_lag_s,
            max_power_w=limit_w if believable else MAX_POWER_W,
            notes=reader.notes + (("the whole module: GPU, CPU and memory",) if of_module else ()),
        )

    def sample(self) -> Sample:
        """Read energy and power at once."""
        begin_s = self._clock.now()
        try:
            energy_j, power_w = self._read()
        except pynvml.NVMLError as error:
            raise DeviceFault(explain(error)) from error
        return Sample(begin_s, self._clock.now(), energy_j, power_w)

    def edge(self) -> EdgeState:
        """Read everything else; only a GPU that is gone is a fault."""
        handle = self._handle
        thermal_s, power_s = self._throttles()
        contention = self._contention()
        return EdgeState(
            uuid=str(required(lambda: pynvml.nvmlDeviceGetUUID(handle))),
            driver=optional(pynvml.nvmlSystemGetDriverVersion),
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

    def _contention(self) -> Contention:
        try:
            processes = pynvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except pynvml.NVMLError as error:
            return contention_of(None, explain(error))
        return contention_of([process.pid for process in processes])


def _refuse_mig(handle: object, name: str) -> None:
    mode = optional(lambda: pynvml.nvmlDeviceGetMigMode(handle))
    if mode is not None and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
        raise SourceUnavailable(
            f"{name} is split by MIG, and NVML's energy is that of the whole GPU: "
            "measure on a GPU without MIG (nvidia-smi -mig 0 turns it off)"
        )


def visible_gpus(*, first: bool = False) -> dict[str, object]:
    """Start NVML and return the handles of the visible GPUs by their UUIDs, in CUDA's order.

    With `first`, of the first one alone.

    Raises
    ------
    SourceUnavailable
        Without a driver or a visible GPU, or where it cannot be known which GPU is meant.
    """
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        uuids = [str(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        names = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError as error:
        raise SourceUnavailable(explain(error), absent=error.value in ABSENT) from error
    if not handles:
        raise SourceUnavailable("NVML: no GPU in this machine", absent=True)
    by_uuid = dict(zip(uuids, handles, strict=True))
    return {uuid: by_uuid[uuid] for uuid in visible_uuids(uuids, names, first=first)}


def nvml_devices(
    clock: Clock, *, method: str = "counter", scope: str = "gpu", devices: str | Sequence[str] = "first"
) -> list[NvmlDevice]:
    """Open the GPUs that a program started here would use.

    Parameters
    ----------
    clock, method, scope
        See `NvmlDevice`.
    devices
        ``first`` or ``all`` of the visible GPUs, or UUIDs among them.

    Raises
    ------
    SourceUnavailable
        As `visible_gpus`, and where one of the GPUs cannot be measured.
    """
    if isinstance(devices, str) and devices not in ("first", "all"):
        raise ValueError(f"devices must be 'first', 'all' or UUIDs, got {devices!r}")
    visible = visible_gpus(first=devices == "first")
    wanted = list(visible) if isinstance(devices, str) else list(devices)
    unknown = [uuid for uuid in wanted if uuid not in visible]
    if unknown:
        raise SourceUnavailable(f"no visible GPU {', '.join(unknown)}; there are {', '.join(visible)}")
    return [NvmlDevice(visible[uuid], clock, method, scope) for uuid in wanted]


def open_nvml(
    synchronize: Callable[[], None],
    *,
    method: str = "counter",
    scope: str = "gpu",
    devices: str | Sequence[str] = "first",
    busy: str = "fail",
    clock: Clock | None = None,
) -> DeviceMeter:
    """Open a meter on GPUs; see `nvml_devices` for the arguments and errors.

    Raises
    ------
    UserError
        Where another program is on a GPU and `busy` is ``fail``.
    """
    clock = clock or SystemClock()
    opened = nvml_devices(clock, method=method, scope=scope, devices=devices)
    reservation = Reservation(opened, busy, clock)

    def close() -> None:
        reservation.release()
        pynvml.nvmlShutdown()

    return DeviceMeter(
        "paper" if method == "paper" else "nvml",
        opened,
        synchronize=synchronize,
        clock=clock,
        period_s=min(device.period_s for device in opened),
        busy=busy,
        before_window=reservation.wait_until_free,
        notes=tuple(reservation.notes),
        on_close=close,
    )
