"""Standard input, output and error that may be closed, full, or unable to show a letter."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TextIO

PLAIN = {"±": "+/-", "°": " deg ", "µ": "u", "–": "-", "×": "x", "₂": "2", "━": "=", "·": "."}
PLAIN |= {step: str(height) for height, step in enumerate("▁▂▃▄▅▆▇█", start=1)}
"""What a terminal without these letters shows instead. Any other letter becomes a question mark."""

ERRORS = "greenbench.plain"


def prepare() -> None:
    """Open what is closed, and let no letter be an error."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _open_nowhere(descriptor, name)
    codecs.register_error(ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def say(text: str, end: str = "\n") -> None:
    """Write to standard error. What it cannot take is lost: nobody is there to be told."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def takes_more(stream: TextIO) -> bool:
    """Whether an empty line can be written to the stream."""
    try:
        print(file=stream, flush=True)
    except OSError:
        return False
    return True


def silence(stream: TextIO) -> None:
    """Let all that is written from now on go nowhere, and with it what Python writes when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _open_nowhere(descriptor: int, name: str) -> None:
    """Fill a closed descriptor. The next file to be opened would get its number, and a child would write there."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    os.set_inheritable(descriptor, True)
    setattr(
        sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False)
    )


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in letters), error.end
