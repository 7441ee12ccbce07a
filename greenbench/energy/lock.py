"""Advisory locks of the operating system: one measuring process per device.

POSIX record locks (fcntl) belong to the process: they vanish when it ends, however it ends, and
children do not inherit them. Within one process any number of meters share a device's lock.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

_guard = threading.Lock()
_held: dict[Path, tuple[int, int]] = {}  # path -> (file descriptor, holders in this process)


def lock_folder() -> Path:
    """Return where the lock files lie; all users of the machine must see the same place."""
    return Path(tempfile.gettempdir()) / "greenbench-locks"


def acquire(uuid: str) -> str | None:
    """Take the device's lock without waiting; None on success, else who holds it.

    `OSError` where the lock's file cannot be made, as in a folder that is read-only.
    """
    path = lock_folder() / f"{uuid}.lock"
    with _guard:
        if path in _held:
            descriptor, holders = _held[path]
            _held[path] = (descriptor, holders + 1)
            return None
        taken = take(path, str(os.getpid()))
        if taken is None:
            holder = holder_of(path)
            return f"process {holder}" if holder else "another process"
        _held[path] = (taken, 1)
        return None


def release(uuid: str) -> None:
    """Give the lock back, if it is held; it is free when the last holder in this process has done so."""
    path = lock_folder() / f"{uuid}.lock"
    with _guard:
        descriptor, holders = _held.pop(path, (-1, 0))
        if not holders:
            return
        if holders > 1:
            _held[path] = (descriptor, holders - 1)
        else:
            os.close(descriptor)


def take(path: Path, text: str) -> int | None:
    """Lock a file without waiting and write `text` into it.

    Returns the file descriptor, which holds the lock until this process closes any descriptor of the file;
    None where another process has it. `OSError` where the file cannot be opened.
    """
    descriptor = _open(path)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    with suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())
    return descriptor


def holder_of(path: Path) -> str | None:
    """Return what the process that holds the lock has written; None where nobody does.

    Not for a lock of this process, which would lose it. `OSError` where that cannot be found out.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # either may be what a system says of a held lock
        return os.read(descriptor, 1024).decode(errors="replace").strip()
    else:
        return None
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Open the lock file so that other users can lock it too."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # another process may have been faster
            path.parent.chmod(0o1777)
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # Linux refuses O_CREAT on another user's file in a sticky folder, so first without it.
        return os.open(path, flags)
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        os.fchmod(descriptor, 0o666)  # whatever the umask
        return descriptor
