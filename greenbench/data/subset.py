"""A part of a data set, drawn by a seed from names and labels alone: nothing is decoded for it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from greenbench.errors import UserError
from greenbench.spec.setting import SPLITS, Drawn, Split, Subset


class Divisible(Protocol):
    """Images of a split, of which a part can be taken before any is decoded."""

    @property
    def names(self) -> Sequence[str]:
        """What tells an image from the others of its class, wherever it is found."""
        ...

    @property
    def labels(self) -> Sequence[int] | None:
        """The class of each image, or None where images have no single one."""
        ...

    def chosen(self, indices: Sequence[int]) -> Self:
        """Return some of the images, in that order."""
        ...


def divide(
    splits: Mapping[Split, Any], subset: Subset | None, official: Mapping[Split, int | None]
) -> tuple[dict[Split, Any], Drawn | None]:
    """Return the subset of each split (`Divisible`), and what it is; without one, the splits as they are.

    Where a data set is not whole, and so is smaller than the subset, all of its images are used: those for training as
    often as fill the subset, so that the work stays what it is with the whole.

    Parameters
    ----------
    splits
        Both splits.
    subset
        What is asked for; None for all.
    official
        How many images of each split the data set has where it is whole; None where no number is known.

    Raises
    ------
    UserError
        For a subset that is larger than the whole data set.
    """
    if subset is None:
        return dict(splits), None
    chosen: dict[Split, Any] = {}
    for split, images in splits.items():
        count, found = subset.count(split), len(images.names)
        whole = official.get(split) or found
        if count > whole:
            raise UserError(
                f"the subset has {count:,} {SPLITS[split]} images, and the data set {whole:,}",
                f"let the setting's subset have at most {whole:,}",
            )
        order = draw(images.names, images.labels, min(count, found), subset.seed)
        if split == "train":
            order = (order * (1 + count // max(1, found)))[:count]
        chosen[split] = images.chosen(order)
    return chosen, Drawn(subset, {split: len(images.names) for split, images in splits.items()})


def draw(names: Sequence[str], labels: Sequence[int] | None, count: int, seed: int) -> list[int]:
    """Return the sorted indices of `count` images: as many of each class as of the others, as far as there are any.

    The images follow from the names and the seed, and not from the order in which they are found. A smaller subset lies
    within a larger one.
    """
    keys = [hashlib.sha256(f"{seed}\0{name}".encode()).digest() for name in names]
    met: Counter[int] = Counter()
    ranked = []
    for index in sorted(range(len(names)), key=lambda index: (keys[index], index)):
        label = 0 if labels is None else labels[index]
        # The first of every class, then the second of every class: any number of them is balanced.
        ranked.append((met[label], keys[index], index))
        met[label] += 1
    return sorted(index for *_, index in sorted(ranked)[:count])
