"""Where the names of points stand, so that none lies on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

CHARACTER, LINE, GAP = 5.2, 10.0, 7.0
"""Width and height of a character in pixels, as wide ones have it, and the distance of a name from its point."""


class Place(NamedTuple):
    """Where a name stands beside its point: in pixels to the right and down, and which of its ends is there."""

    dx: float
    dy: float
    align: str


PLACES = (
    Place(GAP, 0, "left"),
    Place(-GAP, 0, "right"),
    Place(0, -GAP - 3, "center"),
    Place(0, GAP + 3, "center"),
    Place(GAP, -GAP, "left"),
    Place(GAP, GAP, "left"),
    Place(-GAP, -GAP, "right"),
    Place(-GAP, GAP, "right"),
)


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def placed(
    points: Sequence[tuple[float, float]], texts: Sequence[str], width: float, height: float
) -> list[Place | None]:
    """Return a place for each name, None where there is no room; the first ones come first.

    Parameters
    ----------
    points
        In pixels from the upper left corner of an area of `width` times `height`.
    """
    taken = [_Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    found: list[Place | None] = []
    for own, ((x, y), text) in enumerate(zip(points, texts, strict=True)):
        for place in PLACES:
            box = _box(x + place.dx, y + place.dy, CHARACTER * len(text), place.align)
            inside = box.left >= 0 and box.right <= width and box.top >= 0 and box.bottom <= height
            if inside and not any(box.meets(other) for number, other in enumerate(taken) if number != own):
                taken.append(box)
                found.append(place)
                break
        else:
            found.append(None)
    return found


def _box(x: float, y: float, width: float, align: str) -> _Box:
    left = {"left": x, "right": x - width, "center": x - width / 2}[align]
    return _Box(left, y - LINE / 2, left + width, y + LINE / 2)
