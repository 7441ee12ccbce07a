"""GPUs lent to processes that run side by side: one for each, and the system takes it back when the process ends."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from greenbench.energy import lock
from greenbench.energy.device import DeviceFault, SourceUnavailable
from greenbench.energy.patience import OPENING_S, close_patiently, patiently
from greenbench.errors import UserError

WAIT_S = 10.0
"""For a GPU, where none is free: what a process that was killed had started may measure a little longer."""

RETRY_S = 0.2

VARIABLE = "CUDA_VISIBLE_DEVICES"

_leased: dict[str, int] = {}
"""The locks of this process, by UUID."""


@dataclass(frozen=True)
class Lease:
    """A visible GPU, and which process has it: empty for none."""

    uuid: str
    holder: str = ""
    run: str = ""


def leases() -> list[Lease]:
    """Return who has which of the visible GPUs, in CUDA's order; nothing on a machine without one.

    Raises
    ------
    UserError
        Where it cannot be known which GPUs are visible.
    """
    return [_lease(uuid) for uuid in cards()]


def require_gpus(workers: int, run: str) -> None:
    """Refuse more processes than there are GPUs for them. On a machine without one all share the CPU.

    Parameters
    ----------
    run
        Its own leases count as free.

    Raises
    ------
    UserError
        Naming who has the others.
    """
    found = leases()
    free = [one for one in found if not one.holder or one.run == run]
    if found and workers > len(free):
        taken = "".join(f"; process {one.holder} has {one.uuid}" for one in found if one not in free)
        raise UserError(
            f"{workers} workers need a GPU each, and {len(free)} of {len(found)} visible ones are free{taken}",
            f"use -n {len(free)} or -n auto" if free else "wait for the end of the other run",
        )


def lease(run: str) -> str | None:
    """Take the first GPU that is free, until this process ends, and hide all others from what it starts.

    Call it before CUDA is.

    Parameters
    ----------
    run
        Name of the whole run.

    Returns
    -------
    str or None
        The UUID; None on a machine without a visible GPU.

    Raises
    ------
    UserError
        Where none is free.
    """
    if _leased:
        return next(iter(_leased))
    visible = cards()
    end = time.monotonic() + WAIT_S
    while visible:
        taken = []
        for uuid in visible:
            whose = _take(uuid, run)
            if whose is None:
                os.environ[VARIABLE] = uuid
                return uuid
            taken.append(whose)
        if time.monotonic() > end:
            raise UserError(
                f"no GPU is left for this worker: {', '.join(taken)}", "use fewer workers, or -n auto"
            )
        time.sleep(RETRY_S)
    return None


def _take(uuid: str, run: str) -> str | None:
    """Take a GPU; None on success, else who has it."""
    try:
        descriptor = lock.take(_path(uuid), f"{os.getpid()} {run}")
    except OSError as error:
        raise UserError(
            f"{_path(uuid)}, by which GPUs are lent, cannot be written ({error.strerror})",
            "leave -n out, or let it be written",
        ) from error
    if descriptor is None:
        return f"process {_lease(uuid).holder or 'unknown'} has {uuid}"
    measuring = _holder(lock.lock_folder() / f"{uuid}.lock")
    if measuring is None:
        _leased[uuid] = descriptor
        return None
    os.close(descriptor)
    return f"process {measuring} measures on {uuid}"


def environment() -> dict[str, str]:
    """Return the variable that a process started by this one needs, to see the GPU of `lease` alone."""
    return {VARIABLE: next(iter(_leased))} if _leased else {}


def give_back() -> None:
    """Let other processes have what `lease` took; the end of the process does the same."""
    while _leased:
        os.close(_leased.popitem()[1])


@cache
def cards() -> tuple[str, ...]:
    """Return the UUIDs of the GPUs that were visible before `lease`, in CUDA's order.

    Raises
    ------
    UserError
        Where it cannot be known which they are.
    """
    from greenbench.energy.sources.nvml.opening import visible_gpus

    try:
        return tuple(patiently(visible_gpus, OPENING_S))
    except SourceUnavailable as why:
        if why.absent:
            return ()
        raise UserError(why.reason, why.next_step or "") from why
    except DeviceFault as hung:
        raise UserError(f"NVML: {hung.reason}", hung.next_step or "") from hung
    finally:
        _shut_down()


def _shut_down() -> None:
    import pynvml

    with suppress(pynvml.NVMLError):
        close_patiently(pynvml.nvmlShutdown)


def _path(uuid: str) -> Path:
    return lock.lock_folder() / f"{uuid}.lease"


def _lease(uuid: str) -> Lease:
    if uuid in _leased:  # to look would lose it
        return Lease(uuid, str(os.getpid()))
    text = _holder(_path(uuid))
    process, _, run = (text or "").partition(" ")
    return Lease(uuid) if text is None else Lease(uuid, process or "unknown", run)


def _holder(path: Path) -> str | None:
    """Return what the holder of a lock wrote; None where nobody has it, or has ever had."""
    try:
        return lock.holder_of(path)
    except FileNotFoundError:
        return None
