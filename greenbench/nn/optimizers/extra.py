"""Optimizers of the library `pytorch_optimizer`, which is an extra."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from greenbench.errors import NotApplicable


def pytorch_optimizer(name: str, parameters: Any, **settings: Any) -> Optimizer:
    """Build the library's optimizer of that name.

    Raises
    ------
    NotApplicable
        If the library is not installed.
    """
    try:
        import pytorch_optimizer as library
    except ModuleNotFoundError as error:
        raise NotApplicable(
            f"the optimizer {name} is in {error.name}, which is not installed",
            "pip install 'greenbench[modern]'",
        ) from error
    optimizer: Optimizer = getattr(library, name)(parameters, **settings)
    return optimizer
