"""Calls that may never return: a driver can hang, and a program that is measured must not hang with it.

Such a call is made in a daemon thread, which holds neither the program nor its exit. Whoever waits for the
answer stops waiting at the deadline.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, NamedTuple, TypeVar

from greenbench.energy.device import DeviceFault

T = TypeVar("T")

DEADLINE_S = 5.0
"""How long a poll or a look at a device's condition may take. A GPU that wakes up needs up to a second."""

OPENING_S = 20.0
"""How long a driver may take to start: on a machine with many GPUs, several seconds."""

CLOSING_S = 2.0
"""How long a driver may take to be let go."""


class Answer(ABC, Generic[T]):
    """What a call will have returned."""

    @abstractmethod
    def get(self, deadline_s: float = DEADLINE_S) -> T:
        """Return it, or raise what the call raised.

        `DeviceFault` where it is not there so many seconds after it was asked for.
        """


class Attendant(ABC):
    """Makes all calls to one device, one after another."""

    @abstractmethod
    def post(self, call: Callable[[], T]) -> Answer[T]:
        """Ask for a call, and return at once."""

    @abstractmethod
    def repeat(self, after_s: float, call: Callable[[], float]) -> None:
        """Make this call so many seconds from now, and again after as many as it returns each time.

        The latest call that is asked for so replaces the one before.
        """

    @abstractmethod
    def rest(self) -> None:
        """Stop repeating, and end."""


def patiently(call: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
    """Make one call in a thread of its own and return its answer; errors as `Answer.get`."""
    attendant = ThreadAttendant()
    try:
        return attendant.post(call).get(deadline_s)
    finally:
        attendant.rest()


class ThreadAttendant(Attendant):
    """An attendant in a daemon thread, which starts with the first call and ends with `rest`."""

    def __init__(self) -> None:
        self._requests: SimpleQueue[_Request[object] | _Repeated | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._hung = threading.Event()

    def post(self, call: Callable[[], T]) -> Answer[T]:
        """Hand the call to the thread. One that has died is replaced."""
        request = _Request(call, self)
        if os.getpid() != self._pid:
            request.refuse("this process was forked from the one that measures: only that one can read on")
            return request
        self._send(request)  # type: ignore[arg-type]  # SimpleQueue takes no subtypes
        return request

    def repeat(self, after_s: float, call: Callable[[], float]) -> None:
        """Make the call between the others."""
        if os.getpid() == self._pid:
            self._send(_Repeated(call, time.monotonic() + after_s))

    def rest(self) -> None:
        """Let the thread end after the calls that wait. One that hangs is left behind."""
        thread, self._thread = self._thread, None
        if thread is not None and os.getpid() == self._pid:
            self._requests.put(None)
            self._requests = SimpleQueue()
            if not self._hung.is_set():
                thread.join(DEADLINE_S)
            self._hung = threading.Event()

    def give_up(self) -> str:
        """Name the function that does not return, and do not wait for the thread any more."""
        self._hung.set()
        frame = sys._current_frames().get(self._thread.ident or 0) if self._thread is not None else None
        while frame is not None and frame.f_code.co_filename == threading.__file__:
            frame = frame.f_back
        return frame.f_code.co_name if frame is not None else "the device"

    def _send(self, wanted: _Request[object] | _Repeated) -> None:
        self._requests.put(wanted)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="greenbench-sampler", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        requests = self._requests
        repeated: _Repeated | None = None
        while True:
            wait_s = None if repeated is None else max(0.0, repeated.due_s - time.monotonic())
            try:
                wanted = requests.get(timeout=wait_s)
            except Empty:
                assert repeated is not None  # without it, the wait has no end
                pause_s = repeated.call()
                repeated = repeated._replace(due_s=time.monotonic() + pause_s)
                continue
            if wanted is None:
                return
            if isinstance(wanted, _Repeated):
                repeated = wanted
            else:
                wanted.make()


class _Repeated(NamedTuple):
    """A call that is made again and again, and when the next time is."""

    call: Callable[[], float]
    due_s: float


class _Request(Answer[T]):
    """A call on its way through a thread."""

    def __init__(self, call: Callable[[], T], attendant: ThreadAttendant) -> None:
        self._call = call
        self._attendant = attendant
        self._done = threading.Event()
        self._given_up = False
        self._asked_s = time.monotonic()
        self._answer: list[T] = []
        self._error: BaseException | None = None

    def make(self) -> None:
        """Make the call, unless nobody waits for it any more."""
        if not self._given_up:
            try:
                self._answer.append(self._call())
            except BaseException as error:  # belongs to whoever waits
                self._error = error
        self._done.set()

    def refuse(self, reason: str) -> None:
        """Answer without making the call."""
        self._error = DeviceFault(reason)
        self._done.set()

    def get(self, deadline_s: float = DEADLINE_S) -> T:
        """Wait for the answer."""
        if not self._done.wait(max(0.0, self._asked_s + deadline_s - time.monotonic())):
            self._given_up = True
            raise DeviceFault(
                f"{self._attendant.give_up()} did not return within {deadline_s:g} s",
                "the driver hangs: see the kernel log (dmesg), and reboot if it goes on",
            )
        if self._error is not None:
            raise self._error
        return self._answer[0]


class Direct(Answer[T]):
    """The answer of a call that was made at once: for a clock on which nothing takes time."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._answer: list[T] = []
        self._error: DeviceFault | None = None
        try:
            self._answer.append(call())
        except DeviceFault as fault:
            self._error = fault

    def get(self, deadline_s: float = DEADLINE_S) -> T:
        """Return it."""
        if self._error is not None:
            raise self._error
        return self._answer[0]


def close_patiently(call: Callable[[], None]) -> None:
    """Let go of a driver; one that cannot, or hangs, changes nothing any more."""
    with suppress(Exception):
        patiently(call, CLOSING_S)
