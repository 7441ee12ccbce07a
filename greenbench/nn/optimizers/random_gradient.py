"""Random gradient (Wei 2018, arXiv:1808.04293) for any torch optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import torch
from torch.optim import Optimizer

from greenbench.nn.optimizers.wrapper import Wrapper


class RandomGradient(Wrapper):
    """Multiplies each step's learning rate by one draw from U(0, 1), the same for all parameter groups.

    The draws come from torch's global generator, so that `torch.manual_seed` repeats them. The rate is scaled
    before a step and put back after it, also after one that failed, so that schedules that compute the next
    rate from the last never see the draw.

    Parameters
    ----------
    inner
        Takes the steps. Its state and parameter groups are shared.
    """

    def __init__(self, inner: Optimizer) -> None:
        super().__init__(inner)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step of the inner optimizer at a random part of its learning rate."""
        draw = float(torch.rand(()))
        planned = [(group, group["lr"]) for group in self.param_groups]
        try:
            for group, learning_rate in planned:
                group["lr"] = learning_rate * draw
            loss: float | None = self.inner.step(closure)
        finally:
            for group, learning_rate in planned:
                group["lr"] = learning_rate
        return loss
