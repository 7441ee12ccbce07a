"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982) beside AdamW.

torch's Muon takes no filters of convolutions, and those of libraries compute in bfloat16 on CPUs too, most of which
emulate it: a step then takes many times as long as the passes around it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from greenbench.nn.optimizers.fused import FusedOptimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic ``a x + b x^3 + c x^5``, the authors': it sends what lies in (0, 1] to about 0.7 to 1.2."""

ITERATIONS = 5
ADAM_LIKE = 0.2
"""Root mean square of AdamW's updates, which Muon's are scaled to."""


def orthogonalize(matrices: Tensor) -> Tensor:
    """Send the singular values of matrices (N, rows, columns) to about 1 by Newton-Schulz iterations.

    Real ones on a GPU in bfloat16, others in their own precision.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mH if tall else matrices
    x = x.bfloat16() if x.is_cuda and not x.is_complex() else x
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mH
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mH if tall else x).to(matrices.dtype)


class Muon(FusedOptimizer):
    """Orthogonal steps for the weights of hidden layers, AdamW's for the others.

    Parameters
    ----------
    matrices
        Weights of two or more dimensions; the first one is the matrix's rows.
    others
        Parameters that AdamW trains.
    lr, weight_decay
        Of both. Decay is decoupled.
    momentum
        Of the matrices, Nesterov's.
    betas, eps
        Of AdamW. Schedules that cycle a momentum change the first of the betas.

    Raises
    ------
    ValueError
        For a matrix of fewer than two dimensions.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "matrices": True},
            {"params": list(others)},
        ]
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "betas": betas,
            "eps": eps,
            "matrices": False,
        }
        super().__init__(groups, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; AdamW trains them unless ``"matrices"`` is True.

        Raises
        ------
        ValueError
            For a matrix of fewer than two dimensions.
        """
        super().add_param_group(param_group)
        if param_group["matrices"] and any(matrix.ndim < 2 for matrix in param_group["params"]):
            self.param_groups.pop()
            raise ValueError("a parameter of fewer than two dimensions is no matrix; give it with the others")

    def _step_group(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        if not group["matrices"]:
            self._adamw(parameters, group["lr"], group["betas"], group["eps"], group["weight_decay"])
            return
        alike: dict[tuple[Any, ...], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            alike[parameter.flatten(1).shape, parameter.dtype, parameter.device].append(parameter)
        for matrices in alike.values():
            self._step_matrices(group, matrices)

    def _step_matrices(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        averages = self._kept("momentum", parameters)
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, averages, group["momentum"])
        updates = orthogonalize(torch.stack([update.flatten(1) for update in ahead]))
        lr = float(group["lr"])
        torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
        scale = ADAM_LIKE * sqrt(max(updates.shape[1:]))
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.add_(update.view(parameter.shape), alpha=-lr * scale)
