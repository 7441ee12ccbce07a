"""Progress of long work: a line below pytest's own on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from greenbench.execute.progress import Progress, ProgressCallback
from greenbench.records.record import Record
from greenbench.spec.case import Case
from greenbench.study.estimate import spent_energy_j
from greenbench.units import si

LIVE_EVERY_S = 0.2
LINE_EVERY_S = 30.0

_ROOM = "\x1bD\x1bM"
"""Moves down and up again: at the lower edge of the screen, that makes room for a line."""
_SAVE, _RESTORE, _BELOW, _WIPE = "\x1b7", "\x1b8", "\x1bD\r", "\x1b[K"


class ProgressReporter:
    """Shows how far a case is, which of how many, how long all of them take, and what they took.

    Parameters
    ----------
    uncaptured
        Gives a context in which standard error reaches the user: pytest captures it during a test.
    """

    def __init__(self, uncaptured: Callable[[], AbstractContextManager[Any]]) -> None:
        self._uncaptured = uncaptured
        self._expected = self._begun = self._ended = 0
        self._seconds = 0.0
        self._energy_j: float | None = None

    def expect(self, cases: int) -> None:
        """Say how many cases will be run."""
        self._expected = self._begun + cases

    def ended(self, record: Record) -> None:
        """Add what a case took."""
        self._ended += 1
        self._seconds += record.seconds or 0.0
        energy_j = spent_energy_j(record)
        if energy_j is not None:
            self._energy_j = (self._energy_j or 0.0) + energy_j

    def __call__(self, case: Case | str) -> ProgressCallback:
        """Return the callback for one case, or for what else is under way."""
        if isinstance(case, str):
            label = case
        else:
            self._begun += 1
            label = f"{self._place()}{case.id} {case.kind} seed {case.seed}"
        begun = shown = time.monotonic()
        drawn = False
        with self._uncaptured():
            on_terminal = sys.stderr.isatty()
        interval_s = LIVE_EVERY_S if on_terminal else LINE_EVERY_S

        def show(progress: Progress) -> None:
            nonlocal shown, drawn
            now, done = time.monotonic(), progress.done == progress.steps
            if not (done and drawn) and (done or now - shown < interval_s):
                return  # a case that is over before anything had to be shown shows nothing
            shown = now
            step = f"{label}: step {progress.done}/{progress.steps}"
            with self._uncaptured():
                if not on_terminal:
                    if not done:
                        print(f"\n{step}, {progress.text}", file=sys.stderr)
                    return
                # What a narrow terminal has no room for comes last.
                text = ", ".join(
                    [step, *self._left(progress, now - begun, isinstance(case, Case)), progress.text]
                )
                width = shutil.get_terminal_size().columns - 1
                line = "" if done else text[:width]
                sys.stderr.write(f"{_ROOM}{_SAVE}{_BELOW}{line}{_WIPE}{_RESTORE}")
                sys.stderr.flush()
                drawn = True

        return show

    def _place(self) -> str:
        return f"{self._begun} of {self._expected}: " if self._begun <= self._expected else ""

    def _left(self, progress: Progress, elapsed_s: float, is_case: bool) -> list[str]:
        """Say what is left of the case and of all, as far as can be told, and what was spent."""
        if not progress.done:
            return []
        left_s = elapsed_s / progress.done * (progress.steps - progress.done)
        said = [f"{si(left_s, 's', 2)} left"]
        others = self._expected - self._begun
        if is_case and self._ended and others > 0:
            said.append(f"{si(left_s + others * self._seconds / self._ended, 's', 2)} of all")
        if self._energy_j is not None:
            said.append(f"{si(self._energy_j, 'J')} so far")
        return said
