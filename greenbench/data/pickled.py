"""Pickles of arrays, read without running what is in them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from greenbench.errors import DataError


def read_arrays(content: bytes, what: str) -> Any:
    """Return what a pickle holds, of containers, numbers, texts, bytes and arrays alone.

    A pickle names functions, and opening it calls them. Here the few that build an array can be named and nothing else.

    Parameters
    ----------
    content
        The pickle, of Python 2 or 3. Texts of Python 2 are read as Latin-1.
    what
        Names it in errors.

    Raises
    ------
    DataError
        If it is damaged, or names anything else.
    """
    try:
        return _Arrays(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{what} cannot be read as arrays ({reason})", "unpack the data set again") from None


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any] | type:
        """Return what builds an array; refuse all else."""
        if (module, name) in _BUILDERS:
            return _BUILDERS[module, name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of an array")


def _reconstruct(kind: type, _shape: object, _code: object) -> np.ndarray:
    """Return an empty array, which the pickle then fills: what NumPy's own function does for its own class."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"{kind} is no array")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Return the bytes that Python 3 wrote as text; other encodings would import modules of that name."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"{encoding} is not the encoding of bytes")
    return text.encode("latin1")


def _dtype(code: str, *_: object) -> np.dtype[Any]:
    """Return a type of numbers; of objects, an array could hold anything."""
    found = np.dtype(code)
    if found.kind not in "biuf":
        raise pickle.UnpicklingError(f"an array of {code!r} is none of numbers")
    return found


_BUILDERS: dict[tuple[str, str], Callable[..., Any] | type] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("_codecs", "encode"): _encode,
}
