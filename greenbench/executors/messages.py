"""What a process that runs a function tells the one that asked for it, beside its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from greenbench.errors import Interrupted, UserError


@dataclass(frozen=True)
class Done:
    """The function returned `value`."""

    value: Any


@dataclass(frozen=True)
class Raised:
    """The function raised: an error of the user's, that a signal ended it, or what `text` and `traceback` say."""

    error: UserError | Interrupted | None
    text: str
    traceback: str
