"""Functions that choose their own precision, whatever autocast would make of their products and logarithms."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

_Rest = ParamSpec("_Rest")
_Result = TypeVar("_Result")


def full_precision(values: Tensor) -> Tensor:
    """Return half-precision numbers as float32; float64, and what is no fraction, as it is."""
    is_half = values.is_floating_point() and values.dtype.itemsize < torch.float32.itemsize
    return values.float() if is_half else values


def autocast_off(values: Tensor) -> AbstractContextManager[Any]:
    """Return a context without autocast on the device of some values."""
    device = values.device.type
    # Where there is no autocast, as on the meta device, torch refuses to switch it off.
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def without_autocast(
    function: Callable[Concatenate[Tensor, _Rest], _Result],
) -> Callable[Concatenate[Tensor, _Rest], _Result]:
    """Switch autocast off in a function, on the device of its first argument."""

    @wraps(function)
    def called(values: Tensor, /, *rest: _Rest.args, **named: _Rest.kwargs) -> _Result:
        with autocast_off(values):
            return function(values, *rest, **named)

    return called
