"""What every executor does, and the one that does it here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from greenbench.errors import UserError
from greenbench.execute.progress import ProgressCallback, silent

INLINE, PROCESS = "inline", "process"
EXECUTORS = (PROCESS, INLINE)

Result = TypeVar("Result")


class Executor(Protocol):
    """Runs functions of modules, whose arguments and results can be pickled."""

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        progress: ProgressCallback = silent,
        deadline_s: float | None = None,
    ) -> Result:
        """Call ``function(*arguments, progress)`` and return its result, or raise what it raises.

        Raises
        ------
        Lost
            If the function ended without a result, or did not end within `deadline_s` seconds.
        """

    def close(self) -> None:
        """End what was started."""


class Lost(UserError):
    """The process of a function ended, or was ended, without a result.

    Attributes
    ----------
    output
        The last lines that it printed.
    """

    def __init__(self, problem: str, next_step: str = "", output: str = "") -> None:
        super().__init__(problem, next_step)
        self.output = output


class Inline:
    """Calls functions in this process: for debuggers, and for systems without what a process of its own needs.

    A deadline is not kept.
    """

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        progress: ProgressCallback = silent,
        deadline_s: float | None = None,  # of the protocol
    ) -> Result:
        """Call it."""
        return function(*arguments, progress)

    def close(self) -> None:
        """Nothing was started."""
