"""Which other processes measure on this machine right now.

Every measuring process holds a lock on a file of its own, with its pid in it. A file whose lock nobody holds
is a dead process's::

    with Neighbors(group=session_id) as neighbors:
        train()
        beside = neighbors.others()

Processes that cannot write into the lock folder stay unseen.
"""

from __future__ import annotations

import os
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from greenbench.energy import lock

SUFFIX = ".measuring"

_guard = threading.Lock()
_own: set[Path] = set()  # closing a descriptor of these would give their locks up


class Neighbors:
    """Registers this process as measuring, for the length of a with-statement.

    Parameters
    ----------
    group
        Names the run. Processes of one group are no neighbors of each other; None is a group of its own.
    """

    def __init__(self, group: str | None = None) -> None:
        self._group = group or uuid.uuid4().hex
        self._registered: tuple[Path, int, int] | None = None

    def others(self) -> tuple[int, ...]:
        """Return the pids of the other groups' processes that are registered now, in order."""
        pids = set()
        with _guard, suppress(OSError):
            for path in set(lock.lock_folder().glob(f"*{SUFFIX}")) - _own:
                pid, _, group = (_holder(path) or "").partition(" ")
                if pid.isdecimal() and group != self._group:
                    pids.add(int(pid))
        return tuple(sorted(pids))

    def __enter__(self) -> Self:
        with _guard, suppress(OSError):
            path = lock.lock_folder() / f"{uuid.uuid4().hex}{SUFFIX}"
            # Under its final name it must be locked already, or it would be taken for a dead process's.
            hidden = path.with_suffix(".new")
            descriptor = lock.take(hidden, f"{os.getpid()} {self._group}")
            if descriptor is not None:
                hidden.rename(path)
                _own.add(path)
                self._registered = (path, descriptor, os.getpid())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._registered is None:
            return
        path, descriptor, pid = self._registered
        self._registered = None
        with _guard, suppress(OSError):
            _own.discard(path)
            os.close(descriptor)
            if pid == os.getpid():  # not in a forked child
                path.unlink()


def _holder(path: Path) -> str | None:
    """Return what the holder wrote. A file that nobody holds is removed, if it may be."""
    with suppress(OSError):
        holder = lock.holder_of(path)
        if holder is None:
            path.unlink()
        return holder
    return None
