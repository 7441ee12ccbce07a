"""What the fields of a recipe may be, told before anything is built. Imports no torch."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

from greenbench.errors import UserError
from greenbench.spec.recipe import Recipe

_BATCH = ("inputs", "targets", "generator")
_STEP = ("trainer", "inputs", "weighted targets")
_RUN = ("steps per epoch", "epochs")

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "network": (),
    "optimizer": ("network", "learning rate"),
    "schedule": ("optimizer", *_RUN),
    "loss": (),
    "augment": _BATCH,
    "batch_transform": _BATCH,
    "size_factor": ("epoch", "epochs"),
    "epoch_batches": ("batches",),
    "objective": _STEP,
    "gradients": _STEP,
    "average": ("network", *_RUN),
    "finish": ("network",),
}
"""What each function of a recipe is called with."""

BUILDERS = ("network", "loss")
"""Fields that build something: the thing itself, a `torch.nn.Module`, can be called too and is a mistake."""


def check_fields(recipe: Recipe, names: Iterable[str]) -> None:
    """Raise `UserError` for the first of some fields that no run could work with."""
    for name in names:
        value = getattr(recipe, name)
        if name in ARGUMENTS:
            _check_function(name, value)
        elif name in ("epochs", "batch_size"):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(f"{name} is {value!r}", "give a whole number from 1 on")
        elif name == "learning_rate":
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise UserError(f"learning_rate is {value!r}", "give a number above 0")
        elif name == "teacher" and not isinstance(value, Recipe | None):
            raise UserError(f"teacher is of type {type(value).__name__}", "give a Recipe, or None")


def takes(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether a function can be called with these arguments."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # some built-in functions have no signature
        return True
    return True


def _check_function(name: str, value: Any) -> None:
    if name == "average" and value is None:
        return
    arguments = ARGUMENTS[name]
    if name in BUILDERS and hasattr(value, "forward") and not isinstance(value, type):
        raise UserError(
            f"{name} is {type(value).__name__}, and every run needs a new one",
            f"give what builds it: {name}=lambda: {type(value).__name__}(...)",
        )
    if not callable(value):
        raise UserError(f"{name} is {value!r}, which is no function", f"give one of ({', '.join(arguments)})")
    if not takes(value, *arguments):
        raise UserError(
            f"{name} cannot be called with ({', '.join(arguments)})",
            "let it take these, and see greenbench.Recipe",
        )
