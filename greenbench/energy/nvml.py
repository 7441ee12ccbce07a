"""NVIDIA GPUs, through NVML's total-energy counter (Volta and later)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pynvml

from greenbench.energy.window import Meter, Reading, Status

MIN_SECONDS = 5.0
"""A shorter window is marked: the counter ticks every 20 to 100 ms."""


class NvmlUnavailable(Exception):
    """NVML cannot measure here; the message says why."""


class NvmlMeter(Meter):
    """Difference of the energy counter over the window, for one GPU.

    Raises
    ------
    NvmlUnavailable
        Where the library, the driver, the device or its counter is missing.
    """

    name = "nvml"

    def __init__(self, synchronize: Callable[[], None]) -> None:
        super().__init__(synchronize)
        try:
            pynvml.nvmlInit()
            self._handle = _visible_device()
            pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except pynvml.NVMLError as error:
            raise NvmlUnavailable(f"NVML: {error}") from error

    def _open(self) -> float | str:
        return self._counter_j()

    def _close(self, opened: object, seconds: float) -> Reading:
        closed = self._counter_j()
        for edge in (opened, closed):
            if isinstance(edge, str):
                return Reading(None, Status.INVALID, "nvml-counter", seconds, edge)
        assert isinstance(opened, float)
        assert isinstance(closed, float)
        energy_j = closed - opened
        if energy_j <= 0:
            reason = f"the energy counter moved by {energy_j} J: window too short, or driver reloaded"
            return Reading(None, Status.INVALID, "nvml-counter", seconds, reason)
        if seconds < MIN_SECONDS:
            reason = f"window of {seconds:.2f} s is shorter than {MIN_SECONDS} s"
            return Reading(energy_j, Status.MEASURED_SHORT, "nvml-counter", seconds, reason)
        return Reading(energy_j, Status.MEASURED, "nvml-counter", seconds)

    def _counter_j(self) -> float | str:
        """Return the counter in joules, or the error's text."""
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except pynvml.NVMLError as error:
            return f"NVML: {error}"


def _visible_device() -> object:
    """Return the handle of the first GPU that this process may use (NVML itself ignores the variable)."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if visible.startswith("GPU-"):
        return pynvml.nvmlDeviceGetHandleByUUID(visible)
    if not visible.isdigit():
        raise NvmlUnavailable(f"CUDA_VISIBLE_DEVICES starts with {visible!r}, not an index or a GPU- UUID")
    return pynvml.nvmlDeviceGetHandleByIndex(int(visible))
