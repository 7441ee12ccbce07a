"""Which GPUs are ours, and the meter over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import pynvml

from greenbench.energy.busy import Reservation
from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import DeviceFault, SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.patience import OPENING_S, close_patiently, patiently
from greenbench.energy.sources.nvml.errors import optional, text, unavailable
from greenbench.energy.sources.nvml.gpu import LostDevice, NvmlDevice
from greenbench.energy.sources.nvml.visible import visible_uuids

T = TypeVar("T")


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
        uuids = [text(partial(pynvml.nvmlDeviceGetUUID, handle)) for handle in handles]
        names = [text(partial(pynvml.nvmlDeviceGetName, handle)) for handle in handles]
    except (DeviceFault, pynvml.NVMLError) as error:
        raise unavailable(error) from error
    if not handles:
        raise SourceUnavailable("NVML: no GPU in this machine", absent=True)
    by_uuid = dict(zip(uuids, handles, strict=True))
    return {uuid: by_uuid[uuid] for uuid in visible_uuids(uuids, names, first=first)}


def driver_version() -> str | None:
    """Return the driver's version, where it tells; after `visible_gpus`."""
    return optional(lambda: text(pynvml.nvmlSystemGetDriverVersion))


def nvml_devices(
    clock: Clock, *, method: str = "counter", scope: str = "gpu", devices: str | Sequence[str] = "first"
) -> list[NvmlDevice | LostDevice]:
    """Open the GPUs that a program started here would use.

    Parameters
    ----------
    clock, method, scope
        See `NvmlDevice`.
    devices
        ``first`` or ``all`` of the visible GPUs, or UUIDs among them. Of all, one that cannot be measured does not
        keep the others from it.

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
    if devices != "all":
        return [NvmlDevice(visible[uuid], clock, method, scope) for uuid in wanted]
    opened: list[NvmlDevice | LostDevice] = []
    refused: list[SourceUnavailable] = []
    for uuid in wanted:
        try:
            opened.append(NvmlDevice(visible[uuid], clock, method, scope))
        except SourceUnavailable as why:
            refused.append(why)
            opened.append(LostDevice(uuid, why))
    if len(refused) == len(opened):
        raise refused[0]
    return opened


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
    opened = _in_time(lambda: nvml_devices(clock, method=method, scope=scope, devices=devices))
    reservation = Reservation(opened, busy, clock)

    def close() -> None:
        reservation.release()
        close_patiently(pynvml.nvmlShutdown)

    methods = dict.fromkeys(device.info.method for device in opened if device.info.method != "none")
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


def _in_time(opening: Callable[[], T]) -> T:
    """Return what NVML opens, or refuse a driver that hangs."""
    try:
        return patiently(opening, OPENING_S)
    except DeviceFault as hung:
        raise SourceUnavailable(f"NVML: {hung.reason}", hung.next_step) from hung
