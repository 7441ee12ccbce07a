"""Losses that compute their gradient together with their value, in one array.

The gradient of every loss here is a softmax with a few entries changed. Autograd would keep one array of the
logits' size for each step from logits to loss, and make another in the backward pass. On a CPU, touching new
memory costs more than the arithmetic on it.

Every loss also has a plain formula, of which torch takes the derivatives. It is used where one gradient is not
enough: for derivatives of the gradient, in forward mode, and under the transforms of `torch.func`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from greenbench.nn.derivatives import under_transform


def log_softmax(logits: Tensor) -> Tensor:
    """Return the log-probabilities of `logits` (N, C, P) over C, in their memory layout."""
    if logits.is_contiguous():
        return logits.log_softmax(1)
    return logits.mT.log_softmax(2).mT


def with_gradient(
    loss: Tensor, logits: Tensor, gradient: Tensor, plain: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return the scalar `loss` with `gradient` as its derivative by `logits`.

    Do not use `gradient` afterwards: unless the graph is retained, the backward pass scales it in place.
    `plain` is the same loss as a formula of `logits`, from which derivatives of the gradient are made; the logits
    must not be changed in place before the backward pass.
    """
    result: Tensor = _WithGradient.apply(loss, logits, gradient, plain)
    return result


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, loss: Tensor, logits: Tensor, gradient: Tensor, plain: Callable[[Tensor], Tensor]
    ) -> Tensor:
        # Until the backward pass the caller holds the logits too; with it they are let go.
        ctx.save_for_backward(logits, gradient)
        ctx.plain = plain
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, None, None]:
        logits, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():
            # With create_graph the gradient must know that it depends on the logits.
            (gradient,) = torch.autograd.grad(ctx.plain(logits), logits, grads[0], create_graph=True)
            return None, gradient, None, None
        graph_is_kept: bool = torch._C._autograd._get_current_graph_task_keep_graph()
        is_fixed = graph_is_kept or under_transform() or torch._C._functorch.is_legacy_batchedtensor(grads[0])
        return None, gradient * grads[0] if is_fixed else gradient.mul_(grads[0]), None, None
