"""Numerical modes: what may change the arithmetic of a case is set for it, and put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from greenbench.errors import UserError


@contextmanager
def _paper() -> Iterator[None]:
    """Compute in float32 without TF32, which torch allows in convolutions unless told not to."""
    matmul = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul


MODES: dict[str, Callable[[], AbstractContextManager[None]]] = {"paper": _paper}
"""By name. ``paper``: float32, contiguous, eager, as in the study."""


def numerical_mode(name: str) -> AbstractContextManager[None]:
    """Return the context in which a case of that mode runs; `UserError` for an unknown name."""
    if name not in MODES:
        raise UserError(f"mode {name!r} is unknown", f"choose one of {', '.join(MODES)}")
    return MODES[name]()
