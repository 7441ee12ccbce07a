"""Who else works on a GPU, as far as its process list can tell."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from greenbench.energy.device import Contention

PROC = Path("/proc")

attached: set[int] = set()
"""Other processes whose work is measured, as by ``greenbench watch --pid``: ours, with all that descends from them."""


def contention_of(pids: Iterable[int] | None, doubt: str = "", proc: Path = PROC) -> Contention:
    """Judge the PIDs of a GPU's processes.

    This process, its children and theirs are our own. A PID that `proc` does not have belongs to
    another PID namespace, as in a container: then nothing can be said. The same holds, with `doubt` as
    the reason, where there is no list (`pids` is None), and for an empty one.
    """
    if pids is None:
        return Contention("unknown", (doubt or "no process list",))
    listed = set(pids)
    if not listed:
        # We would not look if we did not compute: a list without us is no list of everyone.
        return Contention("unknown", ("no process is listed, not even this one",))
    alive = {pid for pid in listed if pid > 0 and (proc / str(pid)).exists()}
    foreign = sorted(pid for pid in alive if not _is_ours(pid, proc))
    if foreign:
        return Contention("foreign", tuple(f"process {pid} ({_name(pid, proc)})" for pid in foreign))
    hidden = len(listed - alive)
    if hidden:
        return Contention("unknown", (f"{hidden} listed processes without a PID known here (container?)",))
    return Contention("none")


def _is_ours(pid: int, proc: Path) -> bool:
    """Whether `pid` is this process or an attached one, or descends from it."""
    ours = {os.getpid(), *attached}
    while pid > 1:
        if pid in ours:
            return True
        try:
            # The name, in parentheses, may hold anything; the parent is the second field after it.
            pid = int((proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
    return False


def _name(pid: int, proc: Path) -> str:
    try:
        return (proc / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "unknown"
