"""Random gradient (Wei 2018, arXiv:1808.04293) for any torch optimizer."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch.optim import Optimizer

SomeOptimizer = TypeVar("SomeOptimizer", bound=Optimizer)


def randomize_learning_rate(optimizer: SomeOptimizer) -> SomeOptimizer:
    """Multiply each step's learning rate by one draw from U(0, 1), the same for all parameter groups.

    The draws come from torch's global generator, so that `torch.manual_seed` repeats them. The rate is scaled
    before a step and put back after it, so that schedules that compute the next rate from the last never see
    the draw.

    Returns
    -------
    The optimizer itself, with two hooks around its step.
    """
    planned: list[Any] = []

    def scale(optimizer: Optimizer, *_: object) -> None:
        draw = float(torch.rand(()))
        planned[:] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * draw

    def restore(optimizer: Optimizer, *_: object) -> None:
        for group, learning_rate in zip(optimizer.param_groups, planned, strict=True):
            group["lr"] = learning_rate

    optimizer.register_step_pre_hook(scale)
    optimizer.register_step_post_hook(restore)
    return optimizer
