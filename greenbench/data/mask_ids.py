"""Which ids the masks of a data set store, and which class each of them is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from greenbench.errors import DataError


@dataclass(frozen=True)
class MaskIds:
    """The ids that the masks of a data set may store.

    Attributes
    ----------
    classes
        Ids of the classes 0, 1, ..., in that order.
    unlabeled
        Ids of pixels that do not count. All others are faults, and no mask with one is used.
    ignore_index
        Label that these pixels get.
    likely
        What other ids most likely mean, and what to do.
    expected
        Ids of which some masks together hold at least one; empty where nothing is known.
    """

    classes: Sequence[int]
    unlabeled: Sequence[int]
    ignore_index: int
    likely: str
    expected: Sequence[int] = ()

    @cached_property
    def table(self) -> np.ndarray:
        """Labels (256,) uint8 by id."""
        table = np.full(256, self.ignore_index, np.uint8)
        table[list(self.classes)] = np.arange(len(self.classes))
        return table

    @cached_property
    def known(self) -> np.ndarray:
        """Whether an id may be stored (256,)."""
        known = np.zeros(256, bool)
        known[[*self.classes, *self.unlabeled]] = True
        return known

    def meaning(self) -> bytes:
        """Return what labels follow from."""
        return self.table.tobytes() + self.known.tobytes()

    def labels(self, ids: np.ndarray, file: Path) -> np.ndarray:
        """Return the labels (H, W) uint8 of a mask's ids (H, W) uint8.

        Raises
        ------
        DataError
            Naming the file, for an id that no mask of the data set has.
        """
        if not self.known[ids].all():
            seen = np.unique(ids)
            raise DataError(
                f"{file} holds the ids {ranges(seen[~self.known[seen]])}, and the masks of this data set hold "
                f"{ranges(np.flatnonzero(self.known))}",
                self.likely,
            )
        labels: np.ndarray = self.table[ids]
        return labels

    def check_together(self, seen: set[int], files: Sequence[Path]) -> None:
        """Refuse masks that hold known ids, and none of those that are in all copies of the data set.

        Raises
        ------
        DataError
            Naming the first file.
        """
        if self.expected and seen.isdisjoint(self.expected):
            raise DataError(
                f"{files[0]} and other masks ({len(files)} read) hold the ids {ranges(sorted(seen))}, and none of "
                f"{ranges(self.expected)}, which the masks of this data set are full of",
                self.likely,
            )


def ranges(numbers: Iterable[int]) -> str:
    """Return sorted whole numbers in words, such as ``0 to 10, 255``."""
    parts: list[list[int]] = []
    for number in map(int, numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join(" to ".join(map(str, part)) for part in parts)
