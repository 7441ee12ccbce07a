"""Locks between processes, which the system frees when one of them is killed."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from greenbench.errors import UserError

LOCKS = ".locks"


RUN = "run"


@contextmanager
def locked(out: Path, name: str) -> Iterator[None]:
    """Keep other processes out of what is done inside under the same name.

    Raises
    ------
    UserError
        If the output folder cannot be written.
    """
    with _opened(out, name) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def reserved(out: Path) -> Iterator[None]:
    """Keep other runs out of an output folder.

    Raises
    ------
    UserError
        If one is there, or the folder cannot be written.
    """
    with _opened(out, RUN) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise UserError(
                f"another run ({file.read().strip() or 'just begun'}) writes to {out}",
                "wait for its end, or choose another folder with --green-out",
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def _opened(out: Path, name: str) -> IO[str]:
    folder = out / LOCKS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / name).open("a+")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror})", "choose another folder with --green-out"
        ) from error
