"""Rectified Adam (Liu et al. 2019, arXiv:1908.03265, algorithm 2) in one fused pass per step.

Once the variance is rectified, the update is AdamW's with another step size, epsilon and decay, so torch's
fused AdamW kernel computes it. `torch.optim.RAdam` is another method: its decay is coupled by default, and it
takes steps of momentum while the variance is intractable.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any

from torch import Tensor

from greenbench.nn.optimizers.fused import FusedOptimizer

TRACTABLE_LENGTH = 5.0
"""Length of the approximated moving average from which on its variance is taken to be tractable."""


def rectification(step: int, beta2: float) -> float | None:
    """Return the factor r of a step (from 1), or None while the variance is intractable."""
    longest = 2 / (1 - beta2) - 1
    power = beta2**step
    length = longest - 2 * step * power / (1 - power)
    if length < TRACTABLE_LENGTH:
        return None
    return sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))


class RAdam(FusedOptimizer):
    """Adam with a rectified learning rate and decoupled weight decay, as the method's authors run it.

    While the variance is intractable (the first five steps at ``betas[1] = 0.999``) the moments are
    updated and the parameters stay.

    Parameters
    ----------
    params
        Parameters, or groups of them with settings of their own.
    lr
        Learning rate, at least 0.
    betas
        Decay of the running averages of the gradient and of its square, in [0, 1).
    eps
        Added to the square root of the second moment, more than 0.
    weight_decay
        Decoupled: each step that moves the parameters first shrinks them by ``lr * weight_decay``.

    Raises
    ------
    ValueError
        For a setting out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        if not lr >= 0:
            raise ValueError(f"lr is {lr}; it must be at least 0")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas are {betas}; both must lie in [0, 1)")
        if not eps > 0:
            raise ValueError(f"eps is {eps}; it must be more than 0")
        if not weight_decay >= 0:
            raise ValueError(f"weight_decay is {weight_decay}; it must be at least 0")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "step": 0}
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            if "step" not in group:
                counts = [int(kept["step"]) for p in group["params"] if (kept := self.state.get(p))]
                group["step"] = max(counts, default=0)

    def _step_group(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        """Update the moments and, once the variance is tractable, the parameters."""
        # Counted here as well: the kernel's own counts lie on the device.
        group["step"] += 1
        rectified = rectification(group["step"], group["betas"][1])
        # AdamW divides the second moment by 1 - beta2^t before it adds its epsilon; RAdam does it after.
        debias = sqrt(1 - group["betas"][1] ** group["step"])
        self._adamw(
            parameters,
            lr=group["lr"] * (rectified or 0.0),
            betas=group["betas"],
            eps=group["eps"] / debias,
            weight_decay=group["weight_decay"] / rectified if rectified else 0.0,
        )
