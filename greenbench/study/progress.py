"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tqdm import tqdm

from greenbench.execute.progress import Progress, ProgressCallback
from greenbench.spec.case import Case

BAR_EVERY_S = 0.2
LINE_EVERY_S = 30.0


class ProgressReporter:
    """Shows how far a case is.

    Parameters
    ----------
    uncaptured
        Gives a context in which standard error reaches the user: pytest captures it during a test.
    """

    def __init__(self, uncaptured: Callable[[], AbstractContextManager[Any]]) -> None:
        self._uncaptured = uncaptured

    def __call__(self, case: Case | str) -> ProgressCallback:
        """Return the callback for one case, or for what else is under way."""
        label = case if isinstance(case, str) else f"{case.id} {case.kind} seed {case.seed}"
        bar: tqdm[Any] | None = None
        shown = time.monotonic()
        with self._uncaptured():
            on_terminal = sys.stderr.isatty()
        interval_s = BAR_EVERY_S if on_terminal else LINE_EVERY_S

        def show(progress: Progress) -> None:
            nonlocal bar, shown
            now, done = time.monotonic(), progress.done == progress.steps
            if done and bar is None:
                return  # a case that was over before anything had to be shown
            if not done and now - shown < interval_s:
                return
            shown = now
            with self._uncaptured():
                if not on_terminal:
                    print(
                        f"\n{label}: step {progress.done}/{progress.steps}, {progress.text}", file=sys.stderr
                    )
                    return
                shown_bar = bar or tqdm(total=progress.steps, desc=label, leave=False, file=sys.stderr)
                shown_bar.set_postfix_str(progress.text, refresh=False)
                shown_bar.update(progress.done - shown_bar.n)
                bar = shown_bar
                if done:
                    bar.close()

        return show
