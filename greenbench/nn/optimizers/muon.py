"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv:2502.16982) beside AdamW.

torch's Muon takes no filters of convolutions, and those of libraries compute in bfloat16 on CPUs too, most of which
emulate it: a step then takes many times as long as the passes around it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic ``a x + b x^3 + c x^5``, the authors': it sends what lies in (0, 1] to about 0.7 to 1.2."""

ITERATIONS = 5
ADAM_LIKE = 0.2
"""Root mean square of AdamW's updates, which Muon's are scaled to."""


def orthogonalize(matrices: Tensor) -> Tensor:
    """Send the singular values of matrices (N, rows, columns) to about 1 by Newton-Schulz iterations.

    In bfloat16 on a GPU, in the matrices' own precision on a CPU.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x.bfloat16() if x.is_cuda else x
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(Optimizer):
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
        Of AdamW.

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
        matrices, others = list(matrices), list(others)
        if any(matrix.ndim < 2 for matrix in matrices):
            raise ValueError("a parameter of fewer than two dimensions is no matrix; give it with the others")
        groups: list[dict[str, Any]] = [
            {"params": matrices, "momentum": momentum},
            {"params": others, "betas": betas, "eps": eps},
        ]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
        matrices, others = self.param_groups
        for parameter in matrices["params"]:
            if parameter.grad is not None:
                by_shape[parameter.flatten(1).shape].append(parameter)
        for parameters in by_shape.values():
            self._step_matrices(matrices, parameters)
        self._step_others(others, [p for p in others["params"] if p.grad is not None])
        return loss

    def _step_matrices(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        gradients = [p.grad for p in parameters if p.grad is not None]
        averages = self._kept("momentum", parameters)
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, averages, group["momentum"])
        updates = orthogonalize(torch.stack([update.flatten(1) for update in ahead]))
        lr = group["lr"]
        torch._foreach_mul_(parameters, 1 - lr * group["weight_decay"])
        scale = ADAM_LIKE * sqrt(max(updates.shape[1:]))
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.add_(update.view(parameter.shape), alpha=-lr * scale)

    def _step_others(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        for parameter in parameters:
            if parameter not in self.state:
                self.state[parameter]["step"] = torch.zeros((), device=parameter.device)
        beta1, beta2 = group["betas"]
        adamw(
            parameters,
            [p.grad for p in parameters if p.grad is not None],
            self._kept("exp_avg", parameters),
            self._kept("exp_avg_sq", parameters),
            [],
            [self.state[p]["step"] for p in parameters],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )

    def _kept(self, name: str, parameters: list[Tensor]) -> list[Tensor]:
        """Return what the state keeps of parameters under a name, zeros at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]
