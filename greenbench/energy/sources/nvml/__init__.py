"""NVIDIA GPUs through NVML."""

from greenbench.energy.device import SourceUnavailable
from greenbench.energy.sources import Request, Source, no_argument
from greenbench.energy.sources.nvml.gpu import NvmlDevice
from greenbench.energy.sources.nvml.opening import nvml_devices, open_nvml, visible_gpus
from greenbench.energy.window import Meter

__all__ = ["SOURCES", "NvmlDevice", "nvml_devices", "open_nvml", "visible_gpus"]


def _check(argument: str) -> None:
    if argument != "module":
        no_argument(argument)


def _open(request: Request, method: str = "counter") -> Meter:
    if request.devices == "none":
        raise SourceUnavailable("the work is not done on a GPU", absent=True)
    scope = request.argument or "gpu"
    return open_nvml(
        request.synchronize, method=method, scope=scope, devices=request.devices, busy=request.busy
    )


SOURCES = (
    Source("nvml", _open, forms=("nvml", "nvml:module"), check=_check, rank=1),
    Source("paper", lambda request: _open(request, "paper")),
)
