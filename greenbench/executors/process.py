"""Each function in a process of its own, forked from a clean server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import IO, Any

from greenbench.energy import leases
from greenbench.execute.progress import Progress, ProgressCallback, silent
from greenbench.execute.requests import SIGNALS
from greenbench.executors.executor import Lost, OneByOne, Result
from greenbench.executors.messages import Done, Raised
from greenbench.executors.server import FORK
from greenbench.units import si

LOOK_EVERY_S = 0.2
"""At what a process printed, and at its deadline."""

LAST_BYTES, LAST_LINES = 4000, 20

_ENVIRONMENT = dict(os.environ)
"""Of when this module was imported: what a user's file sets later is not for the cases of others."""


def supported() -> bool:
    """Whether this system has what the processes need."""
    return hasattr(os, "pidfd_open") and hasattr(socket, "send_fds")


class Processes(OneByOne):
    """Runs each function in a new process; the processes are forked from a server, which starts with the first.

    What a process prints is printed here while it runs.

    Parameters
    ----------
    prepare
        Called once in the server, to import what the functions need; a function of a module.
    environment
        Of the server; that of when this module was imported, where none is given.
    """

    def __init__(self, prepare: Callable[[], None], environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self._prepare = f"{prepare.__module__}:{prepare.__qualname__}"
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def _started(self) -> socket.socket:
        """Return the socket of the server, which begins now if there is none."""
        if self._control is not None:
            return self._control
        environment = self._environment or {**_ENVIRONMENT, **leases.environment()}
        self._control, theirs = socket.socketpair()
        command = [sys.executable, "-m", "greenbench.executors.server", str(theirs.fileno()), self._prepare]
        with theirs:
            self._server = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={
                    **environment,
                    "PYTHONPATH": os.pathsep.join(filter(None, map(str, sys.path))),
                },
                start_new_session=True,  # Ctrl-C is for us alone
            )
        return self._control

    def call(
        self,
        function: Callable[..., Result],
        *arguments: Any,
        name: str = "",  # of the protocol
        progress: ProgressCallback = silent,
        deadline_s: float | None = None,
    ) -> Result:
        """Call it in a new process; see `greenbench.executors.executor.Executor`."""
        control = self._started()
        try:
            with tempfile.TemporaryFile() as output, Connection(os.dup(control.fileno())) as server:
                printed = _Printed(output)
                with _fork(control, output) as messages:
                    pid = server.recv()
                    with suppress(BrokenPipeError):
                        messages.send((sys.path, function, arguments))
                    with _passing_on(pid):
                        answer = _listen(messages, pid, printed, progress, deadline_s)
                code = server.recv()
                printed.show()
                last_lines = printed.last_lines()
        except (EOFError, ConnectionError) as error:
            self.close()
            raise Lost(
                "the server of its process ended", "look for what ends processes of this machine"
            ) from error
        except BaseException:  # also Ctrl-C: what runs is ended with its server
            self.close()
            raise
        if isinstance(answer, Done):
            value: Result = answer.value
            return value
        if isinstance(answer, Raised):
            if answer.error is not None:
                raise answer.error
            raise Lost(f"it raised {answer.text}", "", answer.traceback)
        if answer is None:
            raise Lost(*_how(code), last_lines)
        raise Lost(answer, "give it more time with --green-deadline", last_lines)

    def close(self) -> None:
        """End the server and what it runs."""
        if self._control is not None:
            self._control.close()  # by which it sees that it is over
            self._control = None
        if self._server is not None:
            try:
                self._server.wait(timeout=1.0)
            except subprocess.TimeoutExpired:  # still importing, say
                self._server.kill()
                self._server.wait()
            self._server = None


def _fork(control: socket.socket, output: IO[bytes]) -> Connection:
    """Ask for a new process, and return what its messages come by."""
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(control, [FORK], [theirs.fileno(), output.fileno()])
    return Connection(ours.detach())


@contextmanager
def _passing_on(pid: int) -> Iterator[None]:
    """Tell a process, too, of the signals that somebody here listens to."""
    listeners = {number: signal.getsignal(number) for number in SIGNALS}
    if threading.current_thread() is not threading.main_thread() or not all(
        map(callable, listeners.values())
    ):
        yield
        return

    def take(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        listeners[signal.Signals(number)](number, frame)  # type: ignore[operator,misc]  # they are callable

    for number in SIGNALS:
        signal.signal(number, take)
    try:
        yield
    finally:
        for number, listener in listeners.items():
            signal.signal(number, listener)


def _listen(
    messages: Connection, pid: int, printed: _Printed, progress: ProgressCallback, deadline_s: float | None
) -> Done | Raised | str | None:
    """Return the answer of a process; why it was ended; or None where it ended by itself without an answer."""
    start = time.monotonic()
    while True:
        if wait([messages], LOOK_EVERY_S):
            try:
                message: Done | Raised | Progress = messages.recv()
            except (EOFError, ConnectionError):
                return None
            if not isinstance(message, Progress):
                return message
            progress(message)
        printed.show()
        if deadline_s is not None and time.monotonic() - start > deadline_s:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            return f"it did not end within {si(deadline_s, 's')}, and was ended"


class _Printed:
    """What a process wrote into a file, which is shown here as it comes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._shown = 0

    def show(self) -> None:
        """Print what is new."""
        size = os.fstat(self._file.fileno()).st_size
        if size > self._shown:
            new = os.pread(self._file.fileno(), size - self._shown, self._shown)
            self._shown = size
            sys.stdout.write(new.decode(errors="replace"))

    def last_lines(self) -> str:
        """Return the end of it."""
        size = os.fstat(self._file.fileno()).st_size
        end = os.pread(self._file.fileno(), LAST_BYTES, max(0, size - LAST_BYTES)).decode(errors="replace")
        return "\n".join(end.splitlines()[-LAST_LINES:])


def _how(code: int) -> tuple[str, str]:
    """Return how a process ended without an answer, and what to do; a negative code is the number of a signal."""
    if code >= 0:
        return f"it ended its process with exit code {code}", "let it raise an error instead"
    number = -code
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL:
        return (
            f"its process was ended by {name}, as the system does when memory runs out",
            "use smaller batches, or free memory",
        )
    return f"its process was ended by {name}", "look for its last line, in the record"
