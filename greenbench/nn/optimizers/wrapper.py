"""An optimizer around another one."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer


def _of_inner(name: str) -> Any:
    def read(wrapper: Wrapper) -> Any:
        return getattr(wrapper.inner, name)

    def write(wrapper: Wrapper, value: Any) -> None:
        setattr(wrapper.inner, name, value)

    return property(read, write)


class Wrapper(Optimizer):
    """Has the state, parameter groups and defaults of an inner optimizer, of which there are no second copies.

    What a subclass keeps lies there too. So all that torch does with an optimizer works on either of the two:
    schedules, saved states, hooks, copies. Anything public that is not here is looked up in the inner optimizer,
    such as ``eval()`` and ``train()``.

    Parameters
    ----------
    inner
        Takes the steps.
    settings
        Attributes of a subclass, which copies and pickles keep.
    """

    inner: Optimizer
    state = _of_inner("state")
    param_groups = _of_inner("param_groups")
    defaults = _of_inner("defaults")

    def __init__(self, inner: Optimizer, **settings: Any) -> None:
        # Torch's constructor would make another state and add the groups a second time.
        self._settings = settings
        self.__setstate__({"inner": inner, **settings})

    def __getattr__(self, name: str) -> Any:
        # Private names are promises about the object itself, such as that its step unscales gradients.
        if name.startswith("_") or name == "inner":
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return getattr(self.inner, name)

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: getattr(self, name) for name in self._settings}
        return {"inner": self.inner, "_settings": self._settings, **kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        loaded: dict[str, Any] = {name: state[name] for name in ("state", "param_groups") if name in state}
        super().__setstate__({name: value for name, value in state.items() if name not in loaded})
        if loaded:
            self.inner.__setstate__(loaded)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own, as the inner optimizer does."""
        self.inner.add_param_group(param_group)
