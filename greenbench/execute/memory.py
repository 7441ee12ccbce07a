"""The most memory that a case takes: what torch allocates on a GPU, or else the resident set of the process.

Memory of processes that decode images is not in it.
"""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from greenbench.records.memory import GPU, PROCESS, PeakMemory

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FORGET_PEAK = "5"
"""Written to `CLEAR`, it sets the peak of the resident set to the set's size of now (proc(5))."""


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """Give back what the work inside leaves behind, so that the next case does not count it again.

    Objects that were there before are not looked through: with torch and pytest there are a million, which take 0.15 s.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.unfreeze()


def watch_memory(device: torch.device) -> Callable[[], PeakMemory]:
    """Let the peak start anew; the function that is returned says what it came to."""
    return _of_gpu(device) if device.type == "cuda" else _of_process()


def _of_gpu(device: torch.device) -> Callable[[], PeakMemory]:
    gc.collect()  # what others left there, too
    torch.empty(0, device=device)  # opens the device
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)

    def peak() -> PeakMemory:
        return PeakMemory(
            torch.cuda.max_memory_allocated(device),
            GPU,
            reserved_bytes=torch.cuda.max_memory_reserved(device),
            before_bytes=before,
        )

    return peak


def _of_process() -> Callable[[], PeakMemory]:
    # The C library keeps freed memory in the resident set; only that of GNU has this function.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        CLEAR.write_text(FORGET_PEAK)
        before = _resident_bytes("VmRSS")
    except (OSError, ValueError) as error:
        reason = f"this system does not let the peak of a process start anew ({CLEAR}: {_said(error)})"
        return lambda: PeakMemory(None, PROCESS, reason=reason)

    def peak() -> PeakMemory:
        try:
            return PeakMemory(_resident_bytes("VmHWM"), PROCESS, before_bytes=before)
        except (OSError, ValueError) as error:
            return PeakMemory(None, PROCESS, reason=f"{STATUS} cannot be read ({_said(error)})")

    return peak


def _resident_bytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"no line {field}")
    return 1024 * int(found[1])


def _said(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
