"""AdamW's update by torch's fused kernel, for optimizers that need it with other numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw


class FusedOptimizer(Optimizer):
    """Steps one parameter group after the other; a subclass says how in `_step_group`."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # The kernel wants tensors beside the parameters. Saved states may hold numbers, or lie elsewhere.
        for parameter, kept in self.state.items():
            if "step" in kept:
                kept["step"] = torch.as_tensor(kept["step"], dtype=torch.float32, device=parameter.device)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move all parameters that have a gradient.

        Raises
        ------
        RuntimeError
            For a sparse gradient.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moved = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        if any(p.grad.is_sparse for parameters in moved for p in parameters):
            raise RuntimeError(
                f"a gradient is sparse, and {type(self).__name__} takes dense ones; build the layer with sparse=False"
            )
        for group, parameters in zip(self.param_groups, moved, strict=True):
            if parameters:
                self._step_group(group, parameters)
        return loss

    def _step_group(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        raise NotImplementedError

    def _adamw(
        self,
        parameters: list[Tensor],
        lr: float | Tensor,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        for parameter in parameters:
            if "step" not in self.state[parameter]:
                self.state[parameter]["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        adamw(
            _real(parameters),
            _real([p.grad for p in parameters if p.grad is not None]),
            _real(self._kept("exp_avg", parameters)),
            _real(self._kept("exp_avg_sq", parameters)),
            [],
            [self.state[p]["step"] for p in parameters],
            fused=True,
            amsgrad=False,
            beta1=betas[0],
            beta2=betas[1],
            lr=lr,
            weight_decay=weight_decay,
            eps=eps,
            maximize=False,
        )

    def _kept(self, name: str, parameters: list[Tensor]) -> list[Tensor]:
        """Return what the state keeps of parameters under a name, zeros at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]


def _real(tensors: list[Tensor]) -> list[Tensor]:
    """Take a complex number for two real ones, as torch's Adam does."""
    return [torch.view_as_real(tensor) if tensor.is_complex() else tensor for tensor in tensors]
