"""How a long run tells where it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `steps` steps, and what was last found out."""

    done: int
    steps: int
    text: str


ProgressCallback = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """Tell nobody."""
