"""AMD GPUs, Apple silicon and Jetson, read by the library zeus (https://ml.energy/zeus).

``zeus`` takes what the library finds; ``zeus:amd``, ``zeus:apple`` and ``zeus:jetson`` that kind alone. greenbench has
no driver code for these devices and never met one: each was tried against a stand-in of the library, and every reading
says so. NVIDIA GPUs are read by the meter nvml.

The library counts in millijoules and milliwatts. It is loaded when the meter is opened, and needs no torch.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from greenbench.energy.busy import Reservation
from greenbench.energy.clock import Clock, SystemClock
from greenbench.energy.device import DeviceFault, SourceUnavailable
from greenbench.energy.meter import DeviceMeter
from greenbench.energy.patience import OPENING_S, patiently
from greenbench.energy.sources import Request, Source
from greenbench.energy.sources.zeus.amd import TWO_CHIPLETS, AmdGpu
from greenbench.energy.sources.zeus.asking import MOST_LETTERS, ZeusDevice
from greenbench.energy.sources.zeus.soc import APPLE, JETSON, soc_parts
from greenbench.energy.window import Meter
from greenbench.errors import UserError

INSTALL = "pip install 'greenbench[zeus]'"

OLDEST = (0, 16)
"""Before, the library could read another AMD GPU than the one that torch and HIP give that number."""

NEEDED = {
    "zeus.device": ("get_gpus", "get_soc"),
    "zeus.device.gpu": ("AMDGPUs", "NVIDIAGPUs", "ZeusGPUInitError"),
    "zeus.device.soc": ("AppleSilicon", "Jetson", "ZeusSoCInitError"),
}
"""What tells this library from others that bring a module of its name, such as zeus-mcmc."""

VENDORS = ("amd", "apple", "jetson")


class Library:
    """The library, loaded.

    Raises
    ------
    SourceUnavailable
        Where it is not installed, is older than what was read here, or is another package.
    """

    def __init__(self) -> None:
        try:
            zeus = importlib.import_module("zeus")
            modules = [importlib.import_module(name) for name in NEEDED]
        except Exception as error:
            said = str(error)[:MOST_LETTERS]
            raise SourceUnavailable(
                f"zeus: the library cannot be imported ({type(error).__name__}: {said})", INSTALL
            ) from error
        self.version = str(getattr(zeus, "__version__", "of no version"))
        self.device, self.gpu, self.soc = modules
        for module, names in zip(modules, NEEDED.values(), strict=True):
            self._look(module, names)
        numbers = tuple(int(digits) for digits in re.findall(r"\d+", self.version)[:2])
        if numbers < OLDEST:
            raise SourceUnavailable(
                f"zeus {self.version} is too old: {OLDEST[0]}.{OLDEST[1]} is needed", INSTALL
            )

    @staticmethod
    def _look(module: ModuleType, names: Sequence[str]) -> None:
        for name in names:
            if not hasattr(module, name):
                where = getattr(module, "__file__", None)
                raise SourceUnavailable(f"zeus: the module {module.__name__} ({where}) lacks {name}", INSTALL)


def zeus_devices(vendor: str, devices: str | Sequence[str], clock: Clock) -> Sequence[ZeusDevice]:
    """Open what the library finds on this machine.

    Parameters
    ----------
    vendor
        One of `VENDORS`, or empty for any.
    devices
        Of AMD GPUs: ``first`` or ``all``, or their names here. A chip's parts are opened all.

    Raises
    ------
    SourceUnavailable
        Where there is none, it cannot be read, or it cannot be known which is meant.
    """
    library = Library()
    absent: list[str] = []
    try:
        if vendor != "amd":  # first, as a Jetson has a GPU of NVIDIA's too
            try:
                return _chip(library, vendor, clock)
            except library.soc.ZeusSoCInitError as error:
                absent.append(str(error))
        if vendor in ("", "amd"):
            try:
                return _amd(library, devices, clock)
            except library.gpu.ZeusGPUInitError as error:
                absent.append(str(error))
    except (DeviceFault, SourceUnavailable) as known:
        raise SourceUnavailable(known.reason, known.next_step) from known
    except Exception as error:
        said = str(error)[:MOST_LETTERS]
        raise SourceUnavailable(
            f"zeus: opening the devices failed: {type(error).__name__}: {said}"
        ) from error
    step = f"on Apple silicon, {INSTALL}" if vendor != "amd" else "see that ROCm works: amd-smi list"
    raise SourceUnavailable(f"zeus: {'; '.join(absent)}"[: 2 * MOST_LETTERS], step, absent=True)


def _chip(library: Library, vendor: str, clock: Clock) -> Sequence[ZeusDevice]:
    soc = library.device.get_soc()
    for kind, chip in ((library.soc.AppleSilicon, APPLE), (library.soc.Jetson, JETSON)):
        if isinstance(soc, kind):
            if vendor not in ("", chip.vendor):
                raise SourceUnavailable(f"zeus: this machine is {chip.title}", f"use zeus:{chip.vendor}")
            return soc_parts(soc, chip, library.version, clock)
    raise SourceUnavailable(f"zeus: {type(soc).__name__} is a chip that greenbench does not know")


def _amd(library: Library, devices: str | Sequence[str], clock: Clock) -> Sequence[ZeusDevice]:
    if devices == "none":
        raise SourceUnavailable("the work is not done on a GPU")
    found = library.device.get_gpus()
    if isinstance(found, library.gpu.NVIDIAGPUs):
        # It takes these wherever their driver is, and then no others.
        raise SourceUnavailable("zeus: the library takes this machine's NVIDIA GPUs", "use the meter nvml")
    if not isinstance(found, library.gpu.AMDGPUs):
        raise SourceUnavailable(f"zeus: {type(found).__name__} are GPUs that greenbench does not know")
    visible = list(found.gpus)
    if not visible:
        raise SourceUnavailable("zeus: no visible AMD GPU")
    if devices == "all":
        return _all_amd(library, visible, clock)
    if devices == "first":
        return [AmdGpu(visible[0], library.version, clock)]
    wanted = [devices] if isinstance(devices, str) else list(devices)
    opened = [AmdGpu(gpu, library.version, clock) for gpu in visible]
    by_uuid = {gpu.info.uuid: gpu for gpu in opened}
    if all(uuid in by_uuid for uuid in wanted):
        return [by_uuid[uuid] for uuid in wanted]
    if len(opened) == 1 and len(wanted) == 1:
        return opened  # torch's UUID of the only GPU there is
    raise SourceUnavailable(
        f"zeus: which GPU is {', '.join(wanted)}? It tells no UUIDs; there are {', '.join(by_uuid)}",
        "leave one GPU visible with HIP_VISIBLE_DEVICES",
    )


def _all_amd(library: Library, visible: Sequence[Any], clock: Clock) -> Sequence[ZeusDevice]:
    """Open all GPUs, but for chiplets whose energy their partner's counter holds."""
    opened: list[ZeusDevice] = []
    for gpu in visible:
        try:
            opened.append(AmdGpu(gpu, library.version, clock))
        except DeviceFault:
            partners = [
                other.info.name for other in opened if other.info.uuid == f"zeus-amd-{gpu.gpu_index - 1}"
            ]
            if not any(TWO_CHIPLETS in name for name in partners):
                raise
    return opened


def _check(argument: str) -> None:
    if argument == "nvidia":
        raise UserError("NVIDIA GPUs are not read by zeus", "use the meter nvml")
    if argument and argument not in VENDORS:
        raise UserError(f"{argument!r} is no vendor", f"choose one of {', '.join(VENDORS)}, or leave it out")


def _open(request: Request) -> Meter:
    clock = SystemClock()
    try:
        opened = patiently(lambda: zeus_devices(request.argument, request.devices, clock), OPENING_S)
    except DeviceFault as hung:
        raise SourceUnavailable(f"zeus: {hung.reason}", hung.next_step) from hung
    # Another run that measures here is refused or waited for; on a chip with a CPU it is named in the readings' notes.
    # Other programs are not known, so no window is held back or void for them.
    busy = request.busy if isinstance(opened[0], AmdGpu) else "mark"
    reservation = Reservation(opened, busy, clock)
    return DeviceMeter(
        "zeus",
        opened,
        synchronize=request.synchronize,
        clock=clock,
        period_s=min(device.period_s for device in opened),
        notes=tuple(reservation.notes),
        on_close=reservation.release,
    )


FORMS = ("zeus", *(f"zeus:{vendor}" for vendor in VENDORS))

SOURCES = (Source("zeus", _open, forms=FORMS, check=_check),)
"""Asked for by name alone: ``auto`` chooses no meter that was never tried on a device."""
