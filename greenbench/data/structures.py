"""Batches that are one tensor, or mappings and sequences of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a structure of the same kind with its leaves changed: all that is no mapping, tuple or list."""
    if isinstance(value, Mapping):
        return {key: map_leaves(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple takes its parts one by one
        return type(value)(*(map_leaves(item, change) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(map_leaves(item, change) for item in value)
    return change(value)


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a structure of the same kind with its tensors changed; what else it holds stays."""
    return map_leaves(value, lambda leaf: change(leaf) if isinstance(leaf, Tensor) else leaf)


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors of a structure."""
    found: list[Tensor] = []

    def note(leaf: Tensor) -> Tensor:
        found.append(leaf)
        return leaf

    map_tensors(value, note)
    return found
