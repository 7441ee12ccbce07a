"""LookAhead (Zhang et al. 2019, arXiv:1907.08610) around any torch optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from greenbench.nn.optimizers.wrapper import Wrapper


class Lookahead(Wrapper):
    """Every `k` steps, move slow weights toward the fast ones and restart the fast ones from there.

    A parameter's slow weights start as it is before its first step. They are state like a momentum, saved and
    loaded with it: weights that are loaded after that step need the state of their optimizer, or a new one.

    Parameters
    ----------
    inner
        Moves the fast weights. Its state and parameter groups are shared, so schedules work on either.
    k
        Steps between two updates of the slow weights, at least 1.
    alpha
        Step of the slow weights, in (0, 1]; 1 leaves the inner optimizer as it is.

    Raises
    ------
    ValueError
        For `k` or `alpha` out of range.
    """

    k: int
    alpha: float
    lookaheads: int
    """How many are around each other, with this one. Each has names of its own in the shared state."""

    def __init__(self, inner: Optimizer, k: int = 5, alpha: float = 0.5) -> None:
        if k < 1:
            raise ValueError(f"LookAhead's k is {k}; it must be at least 1 step")
        if not 0 < alpha <= 1:
            raise ValueError(f"LookAhead's alpha is {alpha}; it must lie in (0, 1]")
        super().__init__(inner, k=k, alpha=alpha, lookaheads=1 + getattr(inner, "lookaheads", 0))
        for group in self.param_groups:
            group.setdefault(self._name("steps"), 0)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take a step of the inner optimizer; after every k-th, update both sets of weights.

        Raises
        ------
        RuntimeError
            Between `eval` and `train`, when the network does not hold the fast weights.
        """
        if self._parameters_with("set_aside"):
            raise RuntimeError(
                "LookAhead has put its slow weights into the network; call train() before step()"
            )
        beginners = self._beginners(closure is not None)
        loss: float | None = self.inner.step(closure)
        # Only now: inner optimizers take a state that is not empty for one of theirs.
        for parameter, weights in beginners:
            if closure is None or parameter.grad is not None:
                self.state[parameter][self._name("weights")] = weights
        counter = self._name("steps")
        steps = 1 + max(group.get(counter, 0) for group in self.param_groups)
        for group in self.param_groups:
            group[counter] = steps
        if steps % self.k == 0:
            self._synchronize()
        return loss

    @torch.no_grad()
    def eval(self) -> None:
        """Put the slow weights, which are the method's result, into the network."""
        if not self._parameters_with("set_aside"):
            for parameter in self._parameters_with("weights"):
                self.state[parameter][self._name("set_aside")] = parameter.detach().clone()
                parameter.copy_(self.state[parameter][self._name("weights")])

    @torch.no_grad()
    def train(self) -> None:
        """Put the fast weights back; does nothing unless `eval` came before."""
        for parameter in self._parameters_with("set_aside"):
            parameter.copy_(self.state[parameter].pop(self._name("set_aside")))

    def _name(self, what: str) -> str:
        return "slow_" * self.lookaheads + what

    def _parameters_with(self, what: str) -> list[Tensor]:
        name = self._name(what)
        return [p for group in self.param_groups for p in group["params"] if name in self.state.get(p, ())]

    def _beginners(self, closure: bool) -> list[tuple[Tensor, Tensor]]:
        """Return parameters that this step may be the first to move, with a copy of each."""
        begun = set(self._parameters_with("weights"))
        parameters = (p for group in self.param_groups for p in group["params"] if p not in begun)
        return [(p, p.detach().clone()) for p in parameters if p.grad is not None or closure]

    @torch.no_grad()
    def _synchronize(self) -> None:
        fast = self._parameters_with("weights")
        slow = [self.state[p][self._name("weights")] for p in fast]
        if fast:
            torch._foreach_lerp_(slow, fast, self.alpha)
            torch._foreach_copy_(fast, slow)
