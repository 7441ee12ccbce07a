"""What is said of a case that gave no result."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenbench.errors import DataError, UserError
from greenbench.records.memory import PeakMemory
from greenbench.records.results import Failure
from greenbench.spec.mode import MODES, PAPER
from greenbench.units import si

NO_MEMORY = re.compile(r"out of memory|DefaultCPUAllocator: (can't|not enough)", re.IGNORECASE)
"""In the message of a `RuntimeError`: torch has an own type for GPUs alone, and its libraries have none."""

_AMOUNT = r"([\d.]+) ?(bytes|[KMGTP]i?B)"
_WANTED = re.compile(rf"allocate {_AMOUNT}")
_CAPACITY = re.compile(rf"total capacity of {_AMOUNT}")


@dataclass(frozen=True)
class Attempt:
    """What was tried.

    Attributes
    ----------
    id, mode
        Of the case.
    batch_size
        Of its largest batches; None where that is not known yet.
    files
        Names of the technique's and the workload's file.
    """

    id: str
    mode: str
    batch_size: int | None
    files: Sequence[str]


def failure_of(
    stage: str, error: BaseException, attempt: Attempt, memory: PeakMemory | None = None
) -> Failure:
    """Return a failure in words; of the frames on the way, one in the technique's or workload's file says most."""
    if isinstance(error, UserError):
        cause = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
        # A file may be read, and refused, when training has long begun.
        stage = "data" if isinstance(error, DataError) else stage
        return Failure(stage, _one_line(error.problem), error.next_step, cause)
    place = _place(error, attempt.files)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY.search(str(error))):
        return Failure(stage, f"{_shortage(str(error), attempt, memory)} ({place})", _less_memory(attempt))
    return Failure(
        stage=stage,
        error=f"{type(error).__name__}: {_one_line(str(error)) or 'no message'}",
        next_step=f"look at {place}",
        traceback="".join(traceback.format_exception(error)),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _place(error: BaseException, files: Sequence[str]) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    names = {Path(file).name for file in files}
    place = next((frame for frame in reversed(frames) if Path(frame.filename).name in names), frames[-1])
    return f"{Path(place.filename).name}, line {place.lineno}"


def _shortage(message: str, attempt: Attempt, memory: PeakMemory | None) -> str:
    """Return what was asked for, what had been taken, and what there is, as far as that is known."""
    wanted, capacity = (_bytes(pattern.search(message)) for pattern in (_WANTED, _CAPACITY))
    if capacity is None and "cuda" not in message.lower():
        capacity = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    batches = "" if attempt.batch_size is None else f" with batches of {attempt.batch_size}"
    said = [f"out of memory: {attempt.id}{batches}"]
    if wanted is not None:
        said.append(f"asked for another {si(wanted, 'B')}")
    if memory is not None and memory.peak_bytes is not None:
        said.append(f"had taken {si(memory.peak_bytes, 'B')} at most")
    return ", ".join(said) + ("" if capacity is None else f", of {si(capacity, 'B')} that there are")


def _less_memory(attempt: Attempt) -> str:
    others = [f"--green-mode {mode}" for mode in MODES if attempt.mode == PAPER.name != mode]
    return " or ".join(
        ["set a smaller batch_size in the workload's file", "choose another --green-scale", *others]
    )


def _bytes(found: re.Match[str] | None) -> float | None:
    if found is None:
        return None
    power = " KMGTP".index(found[2][0]) if found[2] != "bytes" else 0
    return float(found[1]) * float((1024 if "iB" in found[2] else 1000) ** power)
