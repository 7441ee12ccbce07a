"""Files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

UNFINISHED = ".new"
"""How the name of a file ends that is being written; only a process that was killed leaves one."""


@contextmanager
def whole_file(target: Path, *, synced: bool = False) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `target` when the block ends; what was there stays if anything is raised.

    Parameters
    ----------
    target
        Its folder is made where it is missing.
    synced
        Whether it has to outlast a power failure right after.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's, which nobody else may read.
    temporary = target.with_name(f".{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with temporary.open("xb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
