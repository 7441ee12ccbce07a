"""What a job on GitHub shows of a run: the report in short as its summary, and an annotation for each miss.

The files and the form of lines are GitHub's: docs.github.com, "Workflow commands".
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from greenbench.report.escape import one_line, shortened

SUMMARY_FILE, ON_GITHUB = "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"

MOST_BYTES = 1_000_000
"""GitHub drops a summary above 1 MiB whole."""

MOST_ANNOTATIONS = 10
"""Of a kind and step; GitHub leaves out the others without a word."""

LONGEST = 2000
"""Characters of an annotation; a traceback may have more."""

CUT = "\n\n*Cut here: a summary can hold no more. All of it is in report.md.*\n"


def add_summary(text: str) -> str | None:
    """Add a text to the job's summary, where there is one; return what went wrong in words, or None."""
    name = os.environ.get(SUMMARY_FILE)
    if not name:
        return None
    path = Path(name)
    try:
        room = MOST_BYTES - (path.stat().st_size if path.exists() else 0)
        with path.open("ab") as file:
            file.write(_cut(text, room))
    except OSError as error:
        return f"no job summary: {name} cannot be written ({error.strerror})"
    return None


def annotated(misses: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield lines that annotate a job with the titles and texts of misses; none elsewhere than on GitHub."""
    if os.environ.get(ON_GITHUB) != "true":
        return
    for title, text in misses[: MOST_ANNOTATIONS - 1] if len(misses) > MOST_ANNOTATIONS else misses:
        yield f"::error title={_escaped(one_line(title), ':,')}::{_escaped(shortened(text, LONGEST))}"
    if len(misses) > MOST_ANNOTATIONS:
        yield f"::error title=greenbench::and {len(misses) - MOST_ANNOTATIONS + 1} more cases missed; see the summary"


def _cut(text: str, room: int) -> bytes:
    """Return what has room: whole lines, and a note where that is not all."""
    whole = f"{text}\n".encode()
    if len(whole) <= room:
        return whole
    left = room - len(CUT.encode())
    return whole[: whole.rfind(b"\n", 0, left) + 1] + CUT.encode() if left > 0 else b""


def _escaped(text: str, also: str = "") -> str:
    for character in f"%\r\n{also}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text
