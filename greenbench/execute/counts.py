"""Parameters and multiply-adds (MACs) of a network, in the study's convention and in full.

``conv_macs``
    the study's convention, for comparison with Tables 3 and 4, which call 1 MAC 1 FLOP: learned convolutions
    (``nn.Conv2d``), and one addition for each output of a convolution with bias. Transposed convolutions, linear layers
    and fixed filters do not count.
``full_macs``
    all products of weights or filters with data: all convolutions, linear layers, blurs.

Neither counts norms, activations, pooling or interpolation. torch's `FlopCounterMode` counts on the meta device, where
nothing is computed, or fvcore does. A layer that computes a convolution in another form states in a method
``conv_macs(input_shape)`` what it stands for, and that is taken instead of what a counter sees in it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from greenbench.data.structures import map_tensors
from greenbench.errors import UserError
from greenbench.spec.recipe import Inputs

if TYPE_CHECKING:
    import torch
    from torch import nn

COUNTERS = ("torch", "fvcore")
"""How multiply-adds can be counted."""

FLOPS_PER_MAC = 2
"""torch counts a multiplication and an addition; fvcore calls the pair one flop."""

_FVCORE_OPS = ("conv", "linear", "matmul", "einsum")
"""fvcore counts norms, pooling and interpolation too; these are the products of weights and data."""

MacsByModule = dict[str, int]
"""MACs inside each module, its children included, by qualified name; ``""`` is the whole network."""


@dataclass(frozen=True)
class Counts:
    """What a network costs, whatever it runs on.

    Attributes
    ----------
    params
        Registered parameters, trained and run or not, as the study counts them.
    conv_macs
        Multiply-adds of one forward pass in the study's convention.
    full_macs
        Multiply-adds of everything that multiplies.
    """

    params: int
    conv_macs: int
    full_macs: int


def count(network: nn.Module, inputs: Inputs, counter: str = "torch") -> Counts:
    """Count a network's parameters and the multiply-adds of one forward pass in evaluation mode.

    Parameters
    ----------
    network
        Also on the meta device. It is left as it is.
    inputs
        What it takes, or the shape of a tensor such as (N, C, H, W). The multiply-adds are those of all N images.
    counter
        One of `COUNTERS`.

    Raises
    ------
    UserError
        If the counter is unknown.
    """
    if counter not in COUNTERS:
        raise UserError(f"counter {counter!r} is unknown", f"choose one of {', '.join(COUNTERS)}")
    import torch

    if isinstance(inputs, Sequence) and all(isinstance(side, int) for side in inputs):
        inputs = torch.empty(tuple(inputs), device="meta")
    seen = _observe(network, inputs)
    macs = seen.macs if counter == "torch" else _count_by_fvcore(network, inputs, seen.output_shapes)

    full = macs[""] + sum(claim - macs.get(name, 0) for name, claim in seen.claims.items())
    # A fixed filter is no nn.Conv2d in the study's network, so its convention leaves it out.
    conv = sum(claim for name, claim in seen.claims.items() if _is_learned(network.get_submodule(name)))
    conv += sum(macs.get(name, 0) for name in seen.convolutions if name not in seen.claims)
    params = sum(parameter.numel() for parameter in network.parameters())
    return Counts(params=params, conv_macs=conv + seen.bias_adds, full_macs=full)


@dataclass
class _Observation:
    """What one forward pass on the meta device shows, by qualified name.

    `macs` is what `FlopCounterMode` saw, `claims` what layers say they stand for, `output_shapes` are those of our own
    layers.
    """

    macs: MacsByModule = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    convolutions: set[str] = field(default_factory=set)
    output_shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    bias_adds: int = 0

    def watch(self, name: str, module: nn.Module) -> None:
        """Note what one module does whenever it runs."""
        from torch import nn

        states_macs = callable(getattr(module, "conv_macs", None))
        is_convolution = isinstance(module, nn.Conv2d)

        def note(_module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            self.output_shapes[name] = tuple(output.shape)
            if states_macs:
                self.claims[name] = self.claims.get(name, 0) + module.conv_macs(args[0].shape)  # type: ignore[operator]
            if is_convolution:
                self.convolutions.add(name)
                self.bias_adds += 0 if module.bias is None else output.numel()

        if states_macs or is_convolution or _is_own_layer(module):
            module.register_forward_hook(note)


def _observe(network: nn.Module, inputs: Inputs) -> _Observation:
    try:
        return _observe_on("meta", network, inputs)
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        # What it does depends on values, or it cannot be copied there.
        return _observe_on("cpu", network, inputs)


def _observe_on(device: str, network: nn.Module, inputs: Inputs) -> _Observation:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    on_meta = any(parameter.is_meta for parameter in network.parameters())
    observed = copy.deepcopy(network)
    observed = observed.to_empty(device=device) if on_meta else observed.to(device)
    seen = _Observation()
    for name, module in observed.eval().named_modules():
        seen.watch(name, module)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        observed(_given(inputs, device))
    root = type(network).__name__
    for name, ops in counter.get_flop_counts().items():
        seen.macs[name.removeprefix(f"{root}.")] = sum(ops.values()) // FLOPS_PER_MAC
    seen.macs[""] = seen.macs.pop("Global", 0)
    return seen


def _given(inputs: Inputs, device: str) -> Inputs:
    """Return inputs on a device; what has no values gets random ones there."""
    import torch

    if isinstance(inputs, torch.Tensor) and inputs.is_meta and device != "meta":
        return torch.randn(inputs.shape)
    return map_tensors(inputs, lambda tensor: tensor.to(device))


def _count_by_fvcore(
    network: nn.Module, inputs: Inputs, output_shapes: dict[str, tuple[int, ...]]
) -> MacsByModule:
    import torch

    # fvcore traces, so it needs real tensors; what they hold does not matter to the count.
    on_meta = any(parameter.is_meta for parameter in network.parameters())
    traced = copy.deepcopy(network).eval()
    traced = traced.to_empty(device="cpu") if on_meta else traced.to("cpu")
    # A trace does not survive layers with a gradient of their own. They state their multiply-adds or have none, so for
    # fvcore they are blanks of the right shape.
    for name, module in traced.named_modules():
        if _is_own_layer(module) and name in output_shapes:
            module.forward = partial(_blank, output_shapes[name])
    with warnings.catch_warnings(), torch.no_grad():
        # fvcore scripts a loss when imported and traces, both of which torch calls deprecated.
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(traced, _given(inputs, "cpu"))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_module = analysis.by_module_and_operator()
    return {name: int(sum(ops[op] for op in _FVCORE_OPS)) for name, ops in by_module.items()}


def _blank(shape: tuple[int, ...], x: torch.Tensor) -> torch.Tensor:
    return x.new_zeros(shape)


def _is_own_layer(module: nn.Module) -> bool:
    own = type(module).__module__.startswith("greenbench.nn.layers.")
    return own and next(module.children(), None) is None


def _is_learned(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None
