"""A call of somebody else's function that this process survives: in a copy of it, which ends with the call."""

from __future__ import annotations

import faulthandler
import multiprocessing
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeVar

Result = TypeVar("Result")

DEADLINE_S = 60.0


def apart(function: Callable[[], Result], otherwise: Result, deadline_s: float = DEADLINE_S) -> Result:
    """Call it in a forked process and return its result, or raise its error. What it changes there is gone.

    Returns `otherwise` where that process ends without an answer, or does not end in time. Where the system cannot fork,
    the call is made here.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        return function()
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, function), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the copy has not
        process.start()
    theirs.close()
    answer: tuple[bool, Result | BaseException] = True, otherwise
    with ours, suppress(EOFError):
        if ours.poll(deadline_s):
            answer = ours.recv()
    process.kill()
    process.join()
    process.close()
    fine, value = answer
    if not fine:
        assert isinstance(value, BaseException)
        raise value
    return value  # type: ignore[return-value]


def _answer(pipe: Connection, function: Callable[[], object]) -> None:
    faulthandler.disable()  # its case will say where it crashes
    try:
        answer: tuple[bool, object] = True, function()
    except KeyboardInterrupt:
        return
    except BaseException as error:
        answer = False, error
    with suppress(Exception):  # what cannot be sent is no answer
        pipe.send(answer)
