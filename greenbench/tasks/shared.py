"""What the baselines of both tasks have in common. Imports no torch."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from greenbench.recipe import LossFunction, WeightedTargets


def cross_entropy(ignore_index: int | None) -> LossFunction:
    """Build the mean cross-entropy over samples or valid pixels."""
    import torch.nn.functional as F

    # torch's own "ignore nothing" is -100, a label that never occurs.
    return partial(F.cross_entropy, ignore_index=-100 if ignore_index is None else ignore_index)


def plain_batch(
    images: Tensor, targets: Tensor, _generator: torch.Generator
) -> tuple[Tensor, WeightedTargets]:
    """Leave the batch as it is: one set of targets with weight 1."""
    return images, [(1.0, targets)]


def constant_size(_epoch: int, _epochs: int) -> float:
    """Train on images of full size in every epoch."""
    return 1.0


def set_norm_momentum(network: nn.Module, momentum: float) -> nn.Module:
    """Set the momentum of all batch norms' running averages, in place."""
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = momentum
    return network
