"""What ``greenbench watch`` measures: a command that it starts, or a process that runs already."""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from greenbench.cli._streams import say
from greenbench.errors import UserError

NOT_FOUND = 127
NOT_EXECUTABLE = 126
SIGNALED = 128

LOOK_S = 0.05
"""Time between two looks at a process that is not our child."""


class Work(ABC):
    """Something with an end. From its start to the end of its with-statement, signals do not stop this program."""

    def __init__(self) -> None:
        self.started = False
        self.interrupted = False
        """Whether a signal asked for an end."""
        self._before: dict[int, Any] = {}

    @abstractmethod
    def start(self) -> None:
        """Begin, and hold signals."""

    @abstractmethod
    def wait(self, seconds: float | None) -> bool:
        """Wait for the end, at most that long, and return whether it is there."""

    def _hold_signals(self) -> None:
        self.started = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # One that is ignored, as under nohup, stays so for the command too.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._signaled)

    def _signaled(self, number: int, _frame: FrameType | None) -> None:
        self.interrupted = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()


class Command(Work):
    """A command; signals are its business, not ours.

    Attributes
    ----------
    exit_code
        As in a shell: 127 for a command that was not found, 126 for one that cannot be run, 128 + N after signal N.
    """

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        self.command = command
        self.exit_code = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    @property
    def runs(self) -> bool:
        """Whether the command could be run."""
        return self.exit_code not in (NOT_FOUND, NOT_EXECUTABLE)

    def start(self) -> None:
        """Start the command; one that cannot be started has ended."""
        self._hold_signals()
        try:
            process = subprocess.Popen(self.command)
        except FileNotFoundError:
            say(f"greenbench: error: command {self.command[0]!r} was not found")
            self.exit_code = NOT_FOUND
        except (OSError, ValueError) as error:
            say(f"greenbench: error: command {self.command[0]!r} cannot be run: {error}")
            self.exit_code = NOT_EXECUTABLE
        else:
            self._process = process
            for number in self._early:
                process.send_signal(number)

    def wait(self, seconds: float | None) -> bool:
        """Wait for the command."""
        if self._process is None:
            return True
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.exit_code = code if code >= 0 else SIGNALED - code
        return True

    def _signaled(self, number: int, frame: FrameType | None) -> None:
        super()._signaled(number, frame)
        # The terminal sends an interrupt to the command too: wait for what it makes of it.
        if number == signal.SIGINT:
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


class Attached(Work):
    """A process that runs already; a signal to us ends the watching, not the process.

    Raises
    ------
    UserError
        Where there is no such process.
    """

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.pid = pid
        self._start_tick = _start_tick(pid)
        if self._start_tick is None:
            raise UserError(
                f"--pid {pid}: there is no such process under /proc, or it has ended",
                "write the number of a running process; 'ps' lists them",
            )

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return _start_tick(self.pid) != self._start_tick  # a new process may have its number

    def start(self) -> None:
        """Count the process, and what it starts, as the work that is measured."""
        from greenbench.energy.sources.nvml import processes

        processes.attached.add(self.pid)
        self._hold_signals()

    def wait(self, seconds: float | None) -> bool:
        """Wait until the process ends or a signal comes."""
        end = None if seconds is None else time.monotonic() + seconds
        while not (self.interrupted or self.ended):
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(LOOK_S)
        return True


def _start_tick(pid: int) -> str | None:
    """Return when a process was started, which tells it from others of its number; None if it does not run."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything; the state is the first field after it.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]
