"""NVML's error codes in words: what is wrong, and what the user can do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pynvml

from greenbench.energy.device import DeviceFault

T = TypeVar("T")

ABSENT = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
"""The machine has no NVIDIA GPU, or none that could be used at all."""

GONE = (
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_RESET_REQUIRED,
    pynvml.NVML_ERROR_GPU_NOT_FOUND,
)
"""No call to the device will work any more."""

_NEXT_STEP = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "install the NVIDIA driver if this machine has such a GPU",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "load the NVIDIA driver; nvidia-smi should then list the GPU",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "driver and library are of different versions: reboot",
    pynvml.NVML_ERROR_NO_PERMISSION: "ask the administrator for access to the device",
    pynvml.NVML_ERROR_GPU_IS_LOST: "the GPU fell off the bus: reboot, and see the kernel log",
    pynvml.NVML_ERROR_RESET_REQUIRED: "the GPU needs a reset",
}


def explain(error: pynvml.NVMLError) -> str:
    """Return the error as ``NVML: text (code)`` with the next step, where there is one."""
    step = _NEXT_STEP.get(error.value)
    return f"NVML: {error} ({error.value})" + (f": {step}" if step else "")


def required(call: Callable[[], T]) -> T:
    """Return the call's answer; `DeviceFault` where there is none."""
    try:
        return call()
    except pynvml.NVMLError as error:
        raise DeviceFault(explain(error)) from error


def optional(call: Callable[[], T]) -> T | None:
    """Return the call's answer, or None where the device has none; `DeviceFault` where it is gone."""
    try:
        return call()
    except pynvml.NVMLError as error:
        if error.value in GONE:
            raise DeviceFault(explain(error)) from error
        return None
