"""The clean process that others are forked from: it imports what they need, and runs nothing itself.

It takes one request at a time: `FORK`, with a socket for the messages of the new process and a file for what it prints. It
answers with the process's id, and at its end with its exit code; by then nothing that it started in its group is left.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import pkgutil
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from greenbench.errors import Interrupted, UserError
from greenbench.execute.progress import Progress
from greenbench.execute.requests import SIGNALS
from greenbench.executors.messages import Done, Raised

FORK = b"fork"

TELL_EVERY_S = 0.1
"""Progress is told no more often."""

SET_PARENT_DEATH_SIGNAL = 1
"""Of Linux's prctl(2)."""


def serve(control: socket.socket) -> None:
    """Serve requests until the other end is closed."""
    answers = Connection(os.dup(control.fileno()), readable=False)
    while True:
        request, files, _flags, _address = socket.recv_fds(control, len(FORK), 2)
        if not request:
            return
        messages, output = files
        pid = os.fork()
        if not pid:
            answers.close()
            control.close()
            _child(Connection(messages), output)
        os.close(messages)
        os.close(output)
        answers.send(pid)
        answers.send(_wait(pid, control))


def _wait(pid: int, control: socket.socket) -> int:
    """Return how a process ended. Its group is ended with it, and with this process if nobody waits any more."""
    descriptor = os.pidfd_open(pid)
    ready, _, _ = select.select([descriptor, control.fileno()], [], [])
    if descriptor not in ready:  # nothing is asked for meanwhile: the other end is closed
        _end_group(pid)
        sys.exit()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # not reaped yet: its number is nobody else's
    _end_group(pid)
    os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _end_group(pid: int) -> None:
    for end in (os.killpg, os.kill):  # it has no group of its own before it has begun
        with suppress(ProcessLookupError):
            end(pid, signal.SIGKILL)


def _child(messages: Connection, output: int) -> NoReturn:
    """Run the function that is asked for, tell what comes of it, and end."""
    code = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        os.close(output)
        faulthandler.enable(sys.stderr, all_threads=False)
        _run(messages)
        code = 0
    except (BrokenPipeError, EOFError):
        pass  # nobody waits for the answer any more
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _run(messages: Connection) -> None:
    told = 0.0

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if progress.done == progress.steps or now - told >= TELL_EVERY_S:
            told = now
            messages.send(progress)

    answer: Done | Raised
    try:
        path, function, arguments = messages.recv()
        sys.path[:] = path
        answer = Done(function(*arguments, tell))
    except BaseException as error:  # also what ends a program: it ends this function alone
        answer = _raised(error)
    try:
        messages.send(answer)
    except Exception as error:  # what cannot be pickled
        messages.send(_raised(error))


def _raised(error: BaseException) -> Raised:
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    own = error if isinstance(error, UserError | Interrupted) else None
    return Raised(own, text, "".join(traceback.format_exception(error)))


def main(arguments: list[str]) -> None:
    """Begin: the arguments are the socket's descriptor and the function that imports, as ``module:name``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the user's Ctrl-C is for the process that asks
    # A scheduler may send these to all processes: a case takes them, when it can.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    descriptor, prepare = arguments
    pkgutil.resolve_name(prepare)()
    gc.collect()
    gc.freeze()  # collections in the children then leave these pages shared
    serve(socket.socket(fileno=int(descriptor)))


if __name__ == "__main__":
    main(sys.argv[1:])
