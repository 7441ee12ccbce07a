"""The files of a data set: found, told from another copy's, and refused where they cannot be what they should."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from pathlib import Path

from greenbench.errors import DataError

SHOWN_NAMES = 5
Pair = tuple[Path, Path]


def data_folder(root: Path, name: str) -> Path:
    """Return a data set's folder below the data root: also one that unpacking has put into another of its name."""
    folder = root / name
    return folder / name if (folder / name).is_dir() else folder


def content_of(folder: Path) -> str:
    """Say in a few words what a folder holds."""
    if not folder.is_dir():
        return f"{folder} is not there"
    names = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{folder} holds {', '.join(names[:SHOWN_NAMES])}{more}"


def matching_files(folder: Path, pattern: str) -> list[Path]:
    """Return the sorted files whose name has a pattern, in small or capital letters.

    ``._x.png``, which macOS writes beside ``x.png``, and other hidden files are none.
    """
    folders, slash, name = pattern.rpartition("/")
    fits = re.compile(translate(name), re.IGNORECASE).match
    within = sorted(folder.glob(folders)) if slash else [folder]
    return [
        inner / found
        for inner in within
        if inner.is_dir()
        for found in sorted(entry.name for entry in os.scandir(inner))
        if not found.startswith(".") and fits(found)
    ]


def pair_files(image_folder: Path, pattern: str, mask_of_image: Callable[[Path], Path]) -> list[Pair]:
    """Return the sorted images of a folder with their masks; `DataError` names what is missing."""
    images = matching_files(image_folder, pattern)
    if not images:
        there = image_folder if image_folder.is_dir() else image_folder.parent
        raise DataError(
            f"{image_folder} holds no {pattern}: {content_of(there)}",
            "unpack the images of the data set again",
        )
    masks = _Names()
    pairs = [(image, masks.found(mask_of_image(image))) for image in images]
    without = [image for image, mask in pairs if mask is None]
    if without:
        raise DataError(
            f"{without[0]} has no mask at {mask_of_image(without[0])}, and so {len(without)} of {len(images)} images",
            "unpack the masks of the data set again",
        )
    return [(image, mask) for image, mask in pairs if mask is not None]


class _Names:
    """Finds files by the names in their folders, each listed once: to ask for every file would take seconds."""

    def __init__(self) -> None:
        self._names: dict[Path, set[str]] = {}

    def found(self, file: Path) -> Path | None:
        """Return a file, or the one that has its suffix in capital letters; None where neither is there."""
        folder = file.parent
        if folder not in self._names:
            self._names[folder] = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
        if file.name in self._names[folder]:
            return file
        upper = file.with_suffix(file.suffix.upper())
        return upper if upper.name in self._names[folder] else None


def files_version(folder: Path, files: Iterable[Path]) -> str:
    """Return a digest of the names below `folder` and the sizes of files; what is in them is not read.

    Raises
    ------
    DataError
        For an empty file, which an interrupted copy leaves.
    """
    found = hashlib.sha256()
    start, empty = len(os.fspath(folder)), []
    for file in files:
        name = os.fspath(file)
        try:
            size = file.stat().st_size
        except OSError as error:
            raise DataError(
                f"{name} cannot be read ({error.strerror})", "unpack the data set again"
            ) from None
        if not size:
            empty.append(name)
        found.update(f"{name[start:]}\0{size}\0".encode("utf-8", "surrogateescape"))
    if empty:
        others = f", and so are {len(empty) - 1} other files" if len(empty) > 1 else ""
        raise DataError(f"{empty[0]} is empty (0 bytes){others}", "unpack the data set again")
    return found.hexdigest()[:12]


def version_of_pairs(folder: Path, train: Sequence[Pair], validation: Sequence[Pair]) -> str:
    """Return the version of images with masks: how many, and a digest of their names and sizes."""
    digest = files_version(folder, (file for pair in [*train, *validation] for file in pair))
    return f"{len(train)}+{len(validation)} files, names and sizes {digest}"
