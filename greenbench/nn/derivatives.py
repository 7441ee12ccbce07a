"""Who asks for more than one gradient: functions with a backward pass of their own then take their plain formula."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual


def under_transform() -> bool:
    """Return whether a transform of `torch.func`, such as grad or vmap, is under way."""
    return torch._C._are_functorch_transforms_active()


def needs_plain(*inputs: Tensor) -> bool:
    """Return whether a function of `inputs` must be its plain formula: under a transform, or in forward mode."""
    if torch.compiler.is_compiling():
        return False
    return under_transform() or any(
        unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]
        for tensor in inputs
    )
