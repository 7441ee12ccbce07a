"""Which GPUs are ours, and the meter over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pynvml

from greenbench.energy.busy import Reservation
from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.sources.nvml.errors import unavailable
from greenbench.energy.sources.nvml.gpu import NvmlDevice
from greenbench.energy.sources.nvml.visible import visible_uuids


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
        raise unavailable(error) from error
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

    methods = dict.fromkeys(device.info.method for device in opened)
    return DeviceMeter(
        "paper" if method == "paper" else "+".join(methods),
        opened,
        synchronize=synchronize,
        clock=clock,
        period_s=min(device.period_s for device in opened),
        busy=busy,
        before_window=reservation.wait_until_free,
        notes=tuple(reservation.notes),
        on_close=close,
    )
