"""Waiting for GPU work of libraries that the program has loaded, by stand-ins for them."""

from __future__ import annotations

import sys
from types import SimpleNamespace as Module

import pytest

from greenbench.energy import open_meter
from greenbench.energy.synchronize import synchronize_loaded

BRIDGE = "jax._src.xla_bridge"


class CUDARuntimeError(RuntimeError):
    """As CuPy raises it."""


@pytest.fixture
def loaded(monkeypatch):
    for name in ("torch", "cupy", "jax", BRIDGE):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return lambda name, module: monkeypatch.setitem(sys.modules, name, module)


def cupy(devices, waited):
    def count():
        if devices is None:
            raise CUDARuntimeError("cudaErrorInsufficientDriver")
        return devices

    runtime = Module(
        getDeviceCount=count,
        deviceSynchronize=lambda: waited.append("cupy"),
        CUDARuntimeError=CUDARuntimeError,
    )
    return Module(cuda=Module(runtime=runtime))


def torch(initialized, waited):
    cuda = Module(is_initialized=lambda: initialized, synchronize=lambda: waited.append("torch"))
    return Module(cuda=cuda)


def jax(waited):
    return Module(
        local_devices=lambda: ["a", "b"],
        device_put=lambda value, _device: value,
        block_until_ready=lambda arrays: waited.append(f"jax {len(arrays)}"),
    )


def test_all_that_use_a_device_are_waited_for(loaded):
    waited = []
    loaded("torch", torch(True, waited))
    loaded("cupy", cupy(1, waited))
    loaded("jax", jax(waited))
    loaded(BRIDGE, Module(backends_are_initialized=lambda: True))
    synchronize_loaded()
    assert waited == ["torch", "cupy", "jax 2"]


def test_those_that_use_none_are_left_alone(loaded):
    waited = []
    loaded("torch", torch(False, waited))
    loaded("jax", jax(waited))
    loaded(BRIDGE, Module(backends_are_initialized=lambda: False))
    for devices in (None, 0):
        loaded("cupy", cupy(devices, waited))
        synchronize_loaded()
    assert waited == []


def test_one_that_is_still_being_imported_is_no_error(loaded):
    waited = []
    loaded("torch", Module())
    loaded("cupy", cupy(1, waited))
    synchronize_loaded()
    assert waited == ["cupy"]


def test_times_without_a_meter_wait_for_the_device_too():
    waited = []
    with open_meter("none", lambda: waited.append(1)) as meter, meter.window("work"):
        assert waited == [1]
    assert waited == [1, 1]
