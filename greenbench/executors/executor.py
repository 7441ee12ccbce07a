"""What every executor does, and the one that does it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from greenbench.errors import UserError
from greenbench.execute.progress import ProgressCallback, silent

INLINE, PROCESS, RAY = "inline", "process", "ray"
EXECUTORS = (PROCESS, INLINE, f"{RAY}[:HOST:PORT]")

Result = TypeVar("Result")


@dataclass(frozen=True)
class SideBySide:
    """What runs at once: how many functions on one machine, and the GPUs that they have, one each."""

    workers: int
    cards: tuple[str, ...]


class Executor(Protocol):
    """Runs functions of modules, whose arguments and results can be pickled.

    Attributes
    ----------
    is_elsewhere
        Whether they may run on other machines, several at a time; what lies on this one is then not there.
    """

    is_elsewhere: bool

    def side_by_side(self) -> SideBySide | None:
        """Return what runs at once, where the executor decides that."""

    def ahead(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Say that a `call` of that name will come: it may begin."""

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        name: str = "",
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


class OneByOne:
    """An executor that runs a function here when it is called."""

    is_elsewhere = False

    def side_by_side(self) -> SideBySide | None:
        """Nothing but what was asked for."""
        return None

    def ahead(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Nothing begins before it is called."""


class Inline(OneByOne):
    """Calls functions in this process: for debuggers, and for systems without what a process of its own needs.

    A deadline is not kept.
    """

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        name: str = "",  # of the protocol
        progress: ProgressCallback = silent,
        deadline_s: float | None = None,  # of the protocol
    ) -> Result:
        """Call it."""
        return function(*arguments, progress)

    def close(self) -> None:
        """Nothing was started."""
