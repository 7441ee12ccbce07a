"""What a worker of a Ray cluster does: it runs each function in a process that is forked from a clean server."""

from __future__ import annotations

import os
import pickle
import pkgutil
import threading
import traceback
from functools import cache
from typing import TYPE_CHECKING, Any

from greenbench.energy.leases import VARIABLE
from greenbench.errors import Interrupted, UserError
from greenbench.execute.progress import Progress, ProgressCallback
from greenbench.executors.messages import Done, Raised
from greenbench.executors.process import Processes

if TYPE_CHECKING:
    from ray.actor import ActorHandle

BEAT_S = 5.0
"""A worker says so often that it is there."""

Message = tuple[str, int, Progress | None]
"""Name of a function, number of the attempt at it, and how far it is; None where its worker is just there."""


class Mailbox:
    """An actor of Ray beside the process that asks: workers put messages in."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def tell(self, message: Message) -> None:
        """Keep a message."""
        self._messages.append(message)

    def take(self) -> list[Message]:
        """Return what came since the last time."""
        taken, self._messages = self._messages, []
        return taken


def work(
    payload: bytes, prepare: str, name: str, number: int, mailbox: ActorHandle[Mailbox]
) -> Done | Raised:
    """Call a pickled function with its arguments, and tell of it.

    Parameters
    ----------
    payload
        Function and arguments. They are unpickled in the function's process, where user's code may do what it wants.
    prepare
        What that process's server has called, as ``module:name``.
    name, number
        Of this attempt.
    """

    def tell(progress: Progress | None = None) -> None:
        mailbox.tell.remote((name, number, progress))

    def beat() -> None:
        tell()
        while not ended.wait(BEAT_S):
            tell()

    ended = threading.Event()
    threading.Thread(target=beat, daemon=True).start()
    try:
        return Done(_server(prepare).call(call_pickled, payload, os.environ.get(VARIABLE), progress=tell))
    except (UserError, Interrupted) as error:
        return Raised(error, str(error), "".join(traceback.format_exception(error)))
    finally:
        ended.set()


def call_pickled(payload: bytes, gpus: str | None, progress: ProgressCallback) -> Any:
    """Unpickle a function and its arguments, and call it.

    `gpus` are those of this task: Ray gives a worker another one for another task, and its server has those of the first.
    """
    if gpus is not None:
        os.environ[VARIABLE] = gpus
    function, arguments = pickle.loads(payload)
    return function(*arguments, progress)


@cache
def _server(prepare: str) -> Processes:
    return Processes(pkgutil.resolve_name(prepare), dict(os.environ))
