"""Which images of a split are evaluated."""

from __future__ import annotations

from greenbench.spec.workload import Data, Split


def evaluated_indices(data: Data, split: Split) -> list[int]:
    """Return the evaluated images of a split: all of validation, and as many for training.

    The training images are evenly spaced, so that no class is left out of a set that is sorted by class.
    """
    images = data.size(split)
    count = min(images, data.size("validation"))
    return [index * images // count for index in range(count)]
