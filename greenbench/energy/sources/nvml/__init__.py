"""NVIDIA GPUs through NVML."""

from greenbench.energy.sources.nvml.gpu import NvmlDevice
from greenbench.energy.sources.nvml.opening import nvml_devices, open_nvml, visible_gpus

__all__ = ["NvmlDevice", "nvml_devices", "open_nvml", "visible_gpus"]
