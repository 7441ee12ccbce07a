"""Averages of a network's weights over training."""

from __future__ import annotations

from itertools import chain

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class MovingAverage(AveragedModel):
    """Torch's exponential moving average of weights and buffers, without its copy of a count to the device each step.

    Parameters
    ----------
    network
        What is averaged.
    decay
        Share of the average that is kept at each step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights after one more step."""
        own, new = (list(chain(of.parameters(), of.buffers())) for of in (self.module, model))
        if self.n_averaged:  # on the host
            alike: dict[tuple[torch.device, torch.dtype], tuple[list[torch.Tensor], list[torch.Tensor]]] = {}
            for average, value in zip(own, new, strict=True):
                averages, values = alike.setdefault((average.device, average.dtype), ([], []))
                averages.append(average)
                values.append(value)
            for averages, values in alike.values():
                self.multi_avg_fn(averages, values, self.n_averaged)  # type: ignore[misc]  # which is left unused
        else:
            torch._foreach_copy_(own, new)
        self.n_averaged += 1
