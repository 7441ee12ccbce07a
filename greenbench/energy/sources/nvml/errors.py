"""NVML's error codes in words: what is wrong, and what the user can do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pynvml

from greenbench.energy.device import DeviceFault, SourceUnavailable

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

_NEXT_STEPS = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: "install the NVIDIA driver if this machine has such a GPU",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "load the NVIDIA driver; nvidia-smi should then list the GPU",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "reboot: driver and library are of different versions",
    pynvml.NVML_ERROR_NO_PERMISSION: "ask the administrator for access to the device",
    pynvml.NVML_ERROR_GPU_IS_LOST: "reboot, and see the kernel log: the GPU fell off the bus",
    pynvml.NVML_ERROR_RESET_REQUIRED: "reset the GPU (nvidia-smi --gpu-reset)",
}


def fault(error: pynvml.NVMLError) -> DeviceFault:
    """Return the error as ``NVML: text (code)`` with the next step, where there is one."""
    return DeviceFault(f"NVML: {error} ({error.value})", _NEXT_STEPS.get(error.value))


def unavailable(error: pynvml.NVMLError | DeviceFault) -> SourceUnavailable:
    """Return what such an error means while the source is being opened."""
    why = error if isinstance(error, DeviceFault) else fault(error)
    absent = isinstance(error, pynvml.NVMLError) and error.value in ABSENT
    return SourceUnavailable(why.reason, why.next_step, absent=absent)


def required(call: Callable[[], T]) -> T:
    """Return the call's answer; `DeviceFault` where there is none."""
    try:
        return call()
    except pynvml.NVMLError as error:
        raise fault(error) from error


def optional(call: Callable[[], T]) -> T | None:
    """Return the call's answer, or None where the device has none; `DeviceFault` where it is gone."""
    try:
        return call()
    except pynvml.NVMLError as error:
        if error.value in GONE:
            raise fault(error) from error
        return None


def text(call: Callable[[], str]) -> str:
    """Return a text of the driver's; what is no UTF-8, or no letter to print, is replaced."""
    try:
        found = str(required(call))
    except UnicodeDecodeError as error:
        found = error.object.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in found)
