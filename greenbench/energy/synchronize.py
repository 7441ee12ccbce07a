"""Wait for whatever GPU work a program has queued, without importing what it does not use."""

from __future__ import annotations

import sys
from contextlib import suppress


def synchronize_loaded() -> None:
    """Wait for the work of torch, CuPy and JAX, where the program has imported them and uses a device.

    Other libraries are waited for by their own function; see the argument `synchronize` of `open_meter`.
    """
    for wait in (_wait_for_torch, _wait_for_cupy, _wait_for_jax):
        with suppress(AttributeError):  # a library that is still being imported
            wait()


def _wait_for_torch() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _wait_for_cupy() -> None:
    cupy = sys.modules.get("cupy")
    if cupy is None:
        return
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:  # no GPU, or no driver: nothing is queued
        return
    if devices:
        cupy.cuda.runtime.deviceSynchronize()


def _wait_for_jax() -> None:
    jax = sys.modules.get("jax")
    bridge = sys.modules.get("jax._src.xla_bridge")
    if jax is None or bridge is None or not bridge.backends_are_initialized():
        return
    # A device computes in order, so that this ends after all that was queued, kept by the program or not.
    jax.block_until_ready([jax.device_put(0.0, device) + 0.0 for device in jax.local_devices()])
