"""The data sets: this folder is their list. One file each says where it lies and how it is read.

A module of this folder that defines ``DATASETS`` contributes them. Importing them imports no torch;
`Dataset.load` does.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.errors import UserError
from greenbench.recipe import Task

if TYPE_CHECKING:
    from greenbench.data.images import Images

IGNORE_INDEX = 255
"""Label of pixels without a class, in every segmentation set, as Cityscapes and Pascal VOC have it."""

DATA_ENVIRONMENT_VARIABLE = "GREENBENCH_DATA"


@dataclass(frozen=True)
class Splits:
    """A data set in memory or on disk, ready for training.

    Attributes
    ----------
    train, heldout
        Images with their targets.
    version
        What tells this copy from another: a digest or the count of files. Results of different
        versions are not compared.
    """

    train: Images
    heldout: Images
    version: str


@dataclass(frozen=True)
class Dataset:
    """What is known of a data set before it is read.

    Attributes
    ----------
    name
        As in test ids and the published tables.
    title
        As the reports print it.
    task
        What is trained on it.
    classes
        Number of classes.
    image_size
        Height and width in pixels of a training image.
    load
        Reads the data below the data root (ignored by embedded sets).
    folder
        Folder below the data root that must be there; None for a set shipped with the package.
    how_to_get
        One sentence for those who have not got it.
    mean, std
        Normalization per channel, of pixel values scaled to 0..1.
    """

    name: str
    title: str
    task: Task
    classes: int
    image_size: tuple[int, int]
    load: Callable[[Path], Splits]
    folder: str | None = None
    how_to_get: str = ""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def missing(self, root: Path | None) -> str | None:
        """Return why the data cannot be read below `root`, or None if they are there."""
        if self.folder is None:
            return None
        if root is None:
            return (
                f"{self.name}: no data root was given (--green-data or {DATA_ENVIRONMENT_VARIABLE}). "
                f"{self.how_to_get}"
            )
        if not (root / self.folder).is_dir():
            return f"{self.name}: looked for {root / self.folder}, which is not there. {self.how_to_get}"
        return None


@cache
def discover() -> dict[str, Dataset]:
    """Return all data sets by name."""
    found: dict[str, Dataset] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for dataset in getattr(loaded, "DATASETS", ()):
            if dataset.name in found:
                raise UserError(
                    f"two data sets are named {dataset.name!r}; rename the one in {loaded.__file__}"
                )
            found[dataset.name] = dataset
    return found


def check_root(root: Path) -> Path:
    """Return `root` if it is a folder that can be read; `UserError` otherwise."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UserError(
            f"the data root {root} {what}; give the folder that holds cifar-100-binary and the like"
        )
    try:
        next(root.iterdir(), None)
    except PermissionError as error:
        raise UserError(
            f"the data root {root} cannot be read ({error.strerror}); change its permissions"
        ) from error
    return root
