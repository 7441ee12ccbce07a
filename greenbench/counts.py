"""Parameters and multiply-adds (MACs) of a network, by the study's convention and in full.

Two counts of one forward pass of a network:

``conv_macs``
    the study's convention, for comparison with Tables 3 and 4, which call 1 MAC 1 FLOP: learned
    convolutions (``nn.Conv2d``), plus one addition for each output of a convolution with bias. Not
    counted: transposed convolutions, linear layers, fixed filters.
``full_macs``
    everything that multiplies weights or filters with data: all convolutions, transposed ones, linear
    layers, blurs.

Neither counts norms, activations, pooling or interpolation. Counting is done by torch's
`FlopCounterMode` on the meta device, where nothing is computed, or by fvcore; both give 2 FLOPs or 1 flop
per MAC, respectively. A layer that computes a convolution in another form states what it stands for in
a method ``conv_macs(input_shape)``, and that is taken instead of what a counter sees in it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenbench.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

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


def count(network: nn.Module, input_shape: Sequence[int], counter: str = "torch") -> Counts:
    """Count a network's parameters and the multiply-adds of one forward pass in evaluation mode.

    Parameters
    ----------
    network
        Any module of one tensor; it is left as it is. It may live on the meta device.
    input_shape
        (N, C, H, W); the multiply-adds are those of all N images.
    counter
        One of `COUNTERS`: ``torch`` or ``fvcore``.

    Raises
    ------
    UserError
        If the counter is unknown.
    """
    import torch

    if counter not in COUNTERS:
        raise UserError(f"counter {counter!r} is unknown; choose one of {', '.join(COUNTERS)}")
    params = sum(parameter.numel() for parameter in network.parameters())
    copied = copy.deepcopy(network).eval()
    stated = _state_macs(copied)
    bias_adds = _count_bias_adds(copied)
    with torch.no_grad():
        macs = COUNTERS[counter](copied, tuple(input_shape))

    full = macs[""] + sum(claim.macs - macs.get(name, 0) for name, claim in stated.items())
    conv = sum(claim.macs for claim in stated.values() if claim.learned) + sum(bias_adds.values())
    conv += sum(macs.get(name, 0) for name in _plain_convolutions(copied) if name not in stated)
    return Counts(params=params, conv_macs=conv, full_macs=full)


@dataclass
class _Claim:
    """What a layer says it stands for; `learned` tells a convolution's weights from a fixed filter."""

    learned: bool
    macs: int = 0


def _plain_convolutions(network: nn.Module) -> list[str]:
    from torch import nn

    return [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]


def _state_macs(network: nn.Module) -> dict[str, _Claim]:
    """Collect, during the next forward pass, the multiply-adds of layers that state their own."""
    claims = {}
    for name, module in network.named_modules():
        if callable(getattr(module, "conv_macs", None)):
            claims[name] = claim = _Claim(learned=any(True for _ in module.parameters(recurse=False)))
            module.register_forward_pre_hook(_claim_hook(claim))
    return claims


def _claim_hook(claim: _Claim) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
    def hook(module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        claim.macs += module.conv_macs(args[0].shape)  # type: ignore[operator]

    return hook


def _count_bias_adds(network: nn.Module) -> dict[str, int]:
    """Collect, during the next forward pass, the outputs of convolutions with bias."""
    from torch import nn

    adds: dict[str, int] = {}

    def watch(name: str, conv: nn.Module) -> None:
        def hook(_module: nn.Module, _args: object, output: torch.Tensor) -> None:
            adds[name] = adds.get(name, 0) + output.numel()

        conv.register_forward_hook(hook)

    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            watch(name, module)
    return adds


def _count_by_torch(network: nn.Module, input_shape: tuple[int, ...]) -> MacsByModule:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network = network.to("meta")
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(input_shape, device="meta"))
    root = type(network).__name__
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    macs = {name.removeprefix(f"{root}."): total // 2 for name, total in flops.items()}
    return macs | {"": flops.get("Global", 0) // 2}


def _count_by_fvcore(network: nn.Module, input_shape: tuple[int, ...]) -> MacsByModule:
    import torch
    from fvcore.nn import FlopCountAnalysis

    # fvcore traces, so it needs real tensors; what they hold does not matter to the count.
    network = network.to_empty(device="cpu") if _on_meta(network) else network.to("cpu")
    analysis = FlopCountAnalysis(network, torch.randn(input_shape))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    by_module = analysis.by_module_and_operator()
    return {name: int(sum(ops[op] for op in _FVCORE_OPS)) for name, ops in by_module.items()}


_FVCORE_OPS = ("conv", "linear", "matmul", "einsum")
"""fvcore counts norms, pooling and interpolation too; these are the products of weights and data."""


def _on_meta(network: nn.Module) -> bool:
    return any(parameter.is_meta for parameter in network.parameters())


COUNTERS: dict[str, Callable[[nn.Module, tuple[int, ...]], MacsByModule]] = {
    "torch": _count_by_torch,
    "fvcore": _count_by_fvcore,
}
"""How to count, by name."""
