"""What a numerical mode makes of networks and optimizers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from greenbench.data.structures import map_tensors, tensors_in
from greenbench.nn.precision import autocast_off, full_precision
from greenbench.spec.mode import Mode
from greenbench.spec.recipe import LossFunction

IMAGE_DIMENSIONS = 4

JOINT_METHODS = ("together", "upsampled")
"""Of losses: what `greenbench.spec.mode.Mode` knows of them."""


def network_in_mode(network: nn.Module, mode: Mode) -> nn.Module:
    """Let a network compute in a mode, in place; its parameters keep their names, and copies of it do the same.

    What it returns is float32, so that all that is made of it is: a loss, a distance to a teacher, a score.
    """
    if mode.channels_last:
        _lay_out(network, torch.channels_last)
    if (mode.channels_last or mode.autocast) and not isinstance(network, _InMode):
        # A wrapper around it would change the names of its parameters, and a function in its place would go on with
        # the first one's parameters in a copy. Torch's own parametrizations change the class, too.
        network.__class__ = _class_in_mode(type(network), mode)  # type: ignore[arg-type]
    return network


def copy_out_of_mode(network: nn.Module, mode: Mode) -> nn.Module:
    """Return a copy of a network in a mode with weights in torch's usual layout: not all of its utilities do without."""
    copied = copy.deepcopy(network)
    if mode.channels_last:
        _lay_out(copied, torch.contiguous_format)
    return copied


def images_in_mode(inputs: Any, mode: Mode) -> Any:
    """Return inputs with all that may be images, (N, C, H, W), in the layout of a mode."""
    if not mode.channels_last:
        return inputs
    return map_tensors(inputs, _channels_last)


def in_full_precision(loss: LossFunction) -> LossFunction:
    """Let a loss see float32 and compute in it, under any autocast: that of a technique, too.

    On a CPU, torch would round what a softmax or its logarithm gives to bfloat16.
    """
    computed = _protected(loss)
    for name in JOINT_METHODS:
        if hasattr(loss, name):
            setattr(computed, name, _protected(getattr(loss, name)))
    return computed


def _protected(loss: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Tensor]:
    def computed(outputs: Any, targets: Any) -> Tensor:
        outputs = map_tensors(outputs, full_precision)
        with autocast_off(next(iter(tensors_in(outputs)), torch.empty(0))):
            return loss(outputs, targets)

    return computed


def optimizer_in_mode(optimizer: Optimizer, mode: Mode) -> Optimizer:
    """Let torch's own optimizers take their step as a mode says, in place; others are left as they are.

    Must come before the first step, which makes the optimizer's state.
    """
    if mode.fused_optimizers:
        for group in optimizer.param_groups:
            # An optimizer knows what it has a setting for, also inside another one that shows its groups.
            known = next((name for name in ("fused", "foreach") if name in group), None)
            if known is not None and not group.get("differentiable"):
                group.update({name: name == known for name in ("fused", "foreach") if name in group})
    return optimizer


@contextmanager
def passes_in_mode(mode: Mode, device: torch.device) -> Iterator[None]:
    """Run forward passes without gradients, of weights that do not change: autocast converts each of them once."""
    # Torch keeps what it has converted until the outermost autocast ends, but not in inference mode.
    with torch.inference_mode() if mode.autocast is None else torch.no_grad(), _autocast(mode, device):
        yield


def _autocast(mode: Mode, device: torch.device) -> AbstractContextManager[Any]:
    if mode.autocast is None:
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, mode.autocast))


class _InMode(nn.Module):
    """Comes before a network's own class, and calls it in a mode."""

    _mode: ClassVar[Mode]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = images_in_mode((args, kwargs), self._mode)
        given = tensors_in((args, kwargs)) or list(self.parameters())
        if not given:
            return super().__call__(*args, **kwargs)
        with _autocast(self._mode, given[0].device):
            outputs = super().__call__(*args, **kwargs)
        return map_tensors(outputs, full_precision)


@cache
def _class_in_mode(kind: type[nn.Module], mode: Mode) -> type[nn.Module]:
    names = {"_mode": mode, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (_InMode, kind), names)


def _lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    """Lay all weights of 2-D convolutions out; torch's own way refuses networks that have 3-D ones, too."""
    for values in (*network.parameters(), *network.buffers()):
        if values.ndim == IMAGE_DIMENSIONS:
            values.data = values.data.contiguous(memory_format=layout)


def _channels_last(values: Tensor) -> Tensor:
    if values.ndim != IMAGE_DIMENSIONS:
        return values
    return values.contiguous(memory_format=torch.channels_last)
