"""Decoded images, kept on disk and mapped into memory: an image file is decoded once, and not once an epoch.

They lie in the user's cache folder (``XDG_CACHE_HOME``), or where ``GREENBENCH_CACHE`` says; ``off`` keeps none. There are
at most ``GREENBENCH_CACHE_GB`` of them (20), and none where a tenth of the disk is not free. What cannot be kept is decoded
again. A file's name follows from its sources' paths, sizes and times, the time of the last change among them, which no
copying program sets: what was changed is decoded anew.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from greenbench.atomic import UNFINISHED, whole_file
from greenbench.errors import UserError

FOLDER_VARIABLE, SIZE_VARIABLE = "GREENBENCH_CACHE", "GREENBENCH_CACHE_GB"
USUAL_GB = 20.0
FREE_SHARE = 0.1
UNFINISHED_S = 3600.0
"""After that time, nobody is still writing it."""

VERSION = "1"

Bytes = np.ndarray
"""An array of uint8."""


def kept(sources: Sequence[Path], meaning: bytes, decode: Callable[[], Bytes]) -> Bytes:
    """Return what `decode` returns: from disk where it was kept, else decoded and kept.

    Parameters
    ----------
    sources
        The files that are decoded.
    meaning
        What else the result follows from, such as a table of classes.
    decode
        Makes an array of uint8.

    Raises
    ------
    UserError
        Whatever `decode` raises. No fault of the cache is an error.
    """
    store = _store(os.environ.get(FOLDER_VARIABLE), os.environ.get(SIZE_VARIABLE))
    name = None if store is None else _name(sources, meaning)
    if store is None or name is None:
        return decode()
    found = store.read(name)
    if found is None:
        found = decode()
        store.write(name, found)
    return found


class Store:
    """A folder of arrays, as far as they fit.

    Parameters
    ----------
    folder
        Where they are.
    most_bytes
        How much there may be; counted when the store is made, and what this process adds.
    """

    def __init__(self, folder: Path, most_bytes: float) -> None:
        self._folder = folder
        _remove_unfinished(folder)
        self._left = most_bytes - sum(_size(file) for file in folder.glob("*/*.npy"))

    def read(self, name: str) -> Bytes | None:
        """Map an array into memory; None where it is not there, or not whole."""
        try:
            # Copied on write: torch wants arrays that may be written to, and the file stays as it is.
            found: Bytes = np.load(self._file(name), mmap_mode="c")
        except (OSError, ValueError, EOFError):
            return None
        return found if found.dtype == np.uint8 else None

    def write(self, name: str, content: Bytes) -> None:
        """Keep an array, whole or not at all."""
        if content.nbytes > self._left:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            disk = shutil.disk_usage(self._folder)
            if disk.free - content.nbytes < FREE_SHARE * disk.total:
                return
            with whole_file(self._file(name)) as file:
                np.save(file, content)
            self._left -= content.nbytes
        except OSError:
            self._left = 0  # a full disk, or a folder that may not be written to, will not get better

    def _file(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.npy"


@cache
def _store(folder: str | None, size_gb: str | None) -> Store | None:
    if folder == "off":
        return None
    try:
        most_gb = float(size_gb) if size_gb else USUAL_GB
    except ValueError:
        most_gb = math.nan
    if not 0 <= most_gb < math.inf:
        raise UserError(
            f"{SIZE_VARIABLE}={size_gb!r} is no size in gigabytes", f"write for example {SIZE_VARIABLE}=20"
        )
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        chosen = Path(folder).expanduser() if folder else base.expanduser() / "greenbench" / "decoded"
        return Store(chosen, 1e9 * most_gb)
    except (OSError, RuntimeError):  # no home folder, or one that cannot be read
        return None


def _name(sources: Sequence[Path], meaning: bytes) -> str | None:
    """Return a name that follows from what the sources are; None where one is not there."""
    found = hashlib.sha256(VERSION.encode() + meaning)
    try:
        for source in sources:
            stat = source.stat()
            found.update(
                f"\0{source.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ctime_ns}".encode()
            )
    except OSError:
        return None
    return found.hexdigest()


def _remove_unfinished(folder: Path) -> None:
    """Remove what processes left that were killed long ago: each can hold a whole data set."""
    for file in folder.glob(f"*/*{UNFINISHED}"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > UNFINISHED_S:
                file.unlink()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
