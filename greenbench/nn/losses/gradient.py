"""Losses that compute their gradient together with their value, in one array.

The gradient of every loss here is a softmax with a few entries changed. Autograd would keep one array of the
logits' size for each step from logits to loss, and make another in the backward pass. On a CPU, touching new
memory costs more than the arithmetic on it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def log_softmax(logits: Tensor) -> Tensor:
    """Return the log-probabilities of `logits` (N, C, P) over C, in their memory layout."""
    if logits.is_contiguous():
        return logits.log_softmax(1)
    return logits.mT.log_softmax(2).mT


def with_gradient(loss: Tensor, logits: Tensor, gradient: Tensor) -> Tensor:
    """Return the scalar `loss` with `gradient` as its derivative by `logits`.

    Do not use `gradient` afterwards: unless the graph is retained, the backward pass scales it in place.
    """
    result: Tensor = _WithGradient.apply(loss, logits, gradient)
    return result


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, _: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None]:
        (gradient,) = ctx.saved_tensors
        graph_is_kept: bool = torch._C._autograd._get_current_graph_task_keep_graph()
        return None, gradient * grads[0] if graph_is_kept else gradient.mul_(grads[0]), None
