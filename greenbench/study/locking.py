"""Locks between the processes of a run, which the system frees when one of them is killed."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenbench.errors import UserError

LOCKS = ".locks"


@contextmanager
def locked(out: Path, name: str) -> Iterator[None]:
    """Keep other processes out of what is done inside under the same name.

    Raises
    ------
    UserError
        If the output folder cannot be written.
    """
    folder = out / LOCKS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / name).open("w")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror})", "choose another folder with --green-out"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
