"""What signals ask of a running case: to be saved, or to end.

Slurm and other schedulers send SIGUSR1 or SIGTERM some time before they end a job.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from greenbench.errors import Interrupted

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)

ENDED = "ended by SIGTERM; go on with --green-resume"


class Requests:
    """Takes SIGUSR1, which asks to be saved, and SIGTERM, which asks to be saved and to end."""

    def __init__(self) -> None:
        self.save = False
        """Whether a signal came that has not been answered."""
        self.end = False
        """Whether it was SIGTERM."""
        self._waits = False
        self._process = os.getpid()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals inside. Python gives them to the main thread; in another one nothing is taken.

        What asked to end, and was not answered inside, is passed on to who listened before.

        Raises
        ------
        Interrupted
            On SIGTERM, unless it came within `waiting`.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._take) for number in SIGNALS}
        # Blocked where this process was forked, so that none is lost before there is somebody to take it.
        mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if self.end and callable(before[signal.SIGTERM]):
            os.kill(self._process, signal.SIGTERM)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let a request wait inside for whoever looks at it."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within `waiting`, do not let one wait inside."""
        self._waits = False
        try:
            if self.end:
                raise Interrupted(ENDED)
            yield
        finally:
            self._waits = True

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # one that was forked and has not set its own
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        self.save = True
        if number == signal.SIGTERM:
            self.end = True
            if not self._waits:
                raise Interrupted(ENDED)
