"""Numerical modes: what may change the arithmetic of a case is set for it, and put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import Any

import torch

from greenbench.errors import UserError

_BACKENDS = attrgetter("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv", "mkldnn.rnn")


def _precisions() -> tuple[Any, ...]:
    """Return all places that hold a precision of float32 arithmetic, the one that others inherit first."""
    return (torch.backends, *_BACKENDS(torch.backends))


@contextmanager
def _paper() -> Iterator[None]:
    """Compute in float32 without TF32, which torch allows in convolutions unless told not to.

    Torch has an older and a newer switch for it. Whoever asks the older one while they differ gets an error, so both
    are set.
    """
    before = [place.fp32_precision for place in _precisions()]
    try:
        matmul = torch.get_float32_matmul_precision()
    except RuntimeError:  # only the newer one was set
        matmul = None
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for place in _precisions():
                place.fp32_precision = "ieee"
            yield
    finally:
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        for place, precision in zip(_precisions(), before, strict=True):
            place.fp32_precision = precision


MODES: dict[str, Callable[[], AbstractContextManager[None]]] = {"paper": _paper}
"""By name. ``paper``: float32, contiguous, eager, as in the study."""


def numerical_mode(name: str) -> AbstractContextManager[None]:
    """Return the context in which a case of that mode runs; `UserError` for an unknown name."""
    if name not in MODES:
        raise UserError(f"mode {name!r} is unknown", f"choose one of {', '.join(MODES)}")
    return MODES[name]()
