"""What is said of a case that gave no result."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from greenbench.errors import DataError, UserError
from greenbench.records.results import Failure


def failure_of(stage: str, error: BaseException, files: Sequence[str]) -> Failure:
    """Return a failure in words; of the frames on the way, one in the technique's or workload's file says most."""
    if isinstance(error, UserError):
        cause = "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""
        # A file may be read, and refused, when training has long begun.
        stage = "data" if isinstance(error, DataError) else stage
        return Failure(stage, one_line(error.problem), error.next_step, cause)
    frames = traceback.extract_tb(error.__traceback__)
    names = {Path(file).name for file in files}
    place = next((frame for frame in reversed(frames) if Path(frame.filename).name in names), frames[-1])
    return Failure(
        stage=stage,
        error=f"{type(error).__name__}: {one_line(str(error)) or 'no message'}",
        next_step=f"look at {Path(place.filename).name}, line {place.lineno}",
        traceback="".join(traceback.format_exception(error)),
    )


def one_line(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())
