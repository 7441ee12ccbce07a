"""NVIDIA GPUs through NVML. The binding, pynvml, is loaded when a GPU is opened."""

from __future__ import annotations

import importlib
from types import ModuleType

from greenbench.energy.device import SourceUnavailable
from greenbench.energy.sources import Request, Source, no_argument
from greenbench.energy.window import Meter

BINDING = "pynvml"
PACKAGE = "nvidia-ml-py"

NEEDED = (
    "NVML_FI_DEV_POWER_INSTANT",
    "NVML_FI_DEV_PERF_POLICY_THERMAL",
    "NVML_POWER_SCOPE_MODULE",
    "NVML_ERROR_RESET_REQUIRED",
    "nvmlDeviceGetFieldValues",
    "nvmlDeviceGetTemperatureV",
    "nvmlDeviceGetGraphicsRunningProcesses",
    "nvmlDeviceGetPowerManagementLimitConstraints",
)
"""What tells this binding from older ones and from other packages that bring a module of its name."""


def loaded() -> ModuleType:
    """Return the module `opening` of this folder.

    Raises
    ------
    SourceUnavailable
        Where there is no binding of NVML, or another package's.
    """
    try:
        binding = importlib.import_module(BINDING)
    except Exception as error:
        raise SourceUnavailable(
            f"NVML: the module {BINDING} cannot be imported ({type(error).__name__}: {error})",
            f"pip install --force-reinstall {PACKAGE}",
        ) from error
    missing = [name for name in NEEDED if not hasattr(binding, name)]
    if missing:
        others = _providers()
        brought = f" It comes from {' and '.join(others)}." if others else ""
        uninstall = f"pip uninstall {' '.join(name.split(' ')[0] for name in others)}; " if others else ""
        raise SourceUnavailable(
            f"NVML: the module {BINDING} ({getattr(binding, '__file__', None)}) lacks {missing[0]}.{brought}",
            f"{uninstall}pip install --force-reinstall {PACKAGE}",
        )
    return importlib.import_module(f"{__name__}.opening")


def _providers() -> list[str]:
    """Return the installed packages that bring a module of the binding's name, but for the right one."""
    from importlib.metadata import packages_distributions, version

    names = sorted(set(packages_distributions().get(BINDING, ())))
    return [f"{name} {version(name)}" for name in names if name != PACKAGE]


def _check(argument: str) -> None:
    if argument != "module":
        no_argument(argument)


def _open(request: Request, method: str = "counter") -> Meter:
    if request.devices == "none":
        raise SourceUnavailable("the work is not done on a GPU", absent=True)
    meter: Meter = loaded().open_nvml(
        request.synchronize,
        method=method,
        scope=request.argument or "gpu",
        devices=request.devices,
        busy=request.busy,
    )
    return meter


SOURCES = (
    Source("nvml", _open, forms=("nvml", "nvml:module"), check=_check, rank=1, part="GPU"),
    Source("paper", lambda request: _open(request, "paper")),
)
