"""The most memory that a case took."""

from __future__ import annotations

from dataclasses import dataclass

GPU, PROCESS = "what torch allocated on the GPU", "resident set of the process"


@dataclass(frozen=True)
class PeakMemory:
    """The most memory that was in use at once while a case ran, reading data and building the network included.

    Attributes
    ----------
    peak_bytes
        None where it is not known.
    of
        Which memory: `GPU` or `PROCESS`. A process's holds Python and all libraries, too.
    reserved_bytes
        What torch held on the GPU for that, with what it keeps to use again.
    before_bytes
        What was in use before the case.
    reason
        Why it is not known.
    """

    peak_bytes: int | None
    of: str
    reserved_bytes: int | None = None
    before_bytes: int | None = None
    reason: str | None = None


OLDER = PeakMemory(None, PROCESS, reason="records of earlier versions do not hold it")
