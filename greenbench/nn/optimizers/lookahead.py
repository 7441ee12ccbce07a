"""LookAhead (Zhang et al. 2019, arXiv:1907.08610) around any torch optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer


class Lookahead(Optimizer):
    """Every `k` steps, move slow weights toward the fast ones and restart the fast ones from there.

    Parameters
    ----------
    inner
        Moves the fast weights. Its parameter groups are shared, so schedules work on either.
    k
        Steps between two updates of the slow weights, at least 1.
    alpha
        Step of the slow weights, in (0, 1]; 1 leaves the inner optimizer as it is.

    Raises
    ------
    ValueError
        For `k` or `alpha` out of range.
    """

    def __init__(self, inner: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if k < 1:
            raise ValueError(f"LookAhead's k is {k}; it must be at least 1 step")
        if not 0 < alpha <= 1:
            raise ValueError(f"LookAhead's alpha is {alpha}; it must lie in (0, 1]")
        self.inner = inner
        self.k = k
        self.alpha = alpha
        super().__init__(inner.param_groups, {})
        self.param_groups = inner.param_groups
        self._fast = [p for group in inner.param_groups for p in group["params"]]
        self._slow = [p.detach().clone() for p in self._fast]
        self._set_aside: list[Tensor] | None = None
        self._steps = 0

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step of the inner optimizer; after every k-th, update both sets of weights."""
        loss: float | None = self.inner.step(closure)
        self._steps += 1
        if self._steps % self.k == 0:
            with torch.no_grad():
                torch._foreach_lerp_(self._slow, self._fast, self.alpha)
                torch._foreach_copy_(self._fast, self._slow)
        return loss

    @torch.no_grad()
    def eval(self) -> None:
        """Put the slow weights, which are the method's result, into the network."""
        if self._set_aside is None:
            self._set_aside = [p.detach().clone() for p in self._fast]
            torch._foreach_copy_(self._fast, self._slow)

    @torch.no_grad()
    def train(self) -> None:
        """Put the fast weights back; does nothing unless `eval` came before."""
        if self._set_aside is not None:
            torch._foreach_copy_(self._fast, self._set_aside)
            self._set_aside = None

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients."""
        self.inner.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a run needs to go on bit for bit, the slow weights among it."""
        return {"inner": self.inner.state_dict(), "slow": self._slow, "steps": self._steps}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self.inner.load_state_dict(state_dict["inner"])
        self.param_groups = self.inner.param_groups
        torch._foreach_copy_(self._slow, state_dict["slow"])
        self._steps = state_dict["steps"]
