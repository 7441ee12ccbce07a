"""Which other processes measure: found while they do, and gone however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from greenbench.energy import lock
from greenbench.energy.neighbors import SUFFIX, Neighbors

PROGRAM = """
import sys
from contextlib import ExitStack
from pathlib import Path
from greenbench.energy import lock
from greenbench.energy.neighbors import Neighbors

lock.lock_folder = lambda: Path(sys.argv[1])
with ExitStack() as stack:
    neighbors = [stack.enter_context(Neighbors(group)) for group in sys.argv[2:]]
    for _ in sys.stdin:  # each line is a question
        print(*neighbors[0].others(), flush=True)
"""


class Measuring:
    """A process that is registered once for each group."""

    def __init__(self, folder: Path, *groups: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), *groups],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        self.pid = self.process.pid
        self.others()

    def others(self) -> tuple[int, ...]:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(map(int, self.process.stdout.readline().split()))

    def end(self, number: int | None = None) -> None:
        if number is not None:
            self.process.send_signal(number)
            self.process.wait()
        self.process.communicate()


@pytest.fixture
def start(lock_folder):
    """Start measuring processes; they end with the test."""
    started = []

    def begin(*groups: str) -> Measuring:
        started.append(Measuring(lock_folder, *groups))
        return started[-1]

    yield begin
    for process in started:
        if process.process.poll() is None:
            process.end()


def files(folder: Path) -> list[Path]:
    return list(folder.glob(f"*{SUFFIX}"))


def test_processes_of_two_runs_see_each_other(start):
    first, second = start("a"), start("b")
    assert first.others() == (second.pid,)
    assert second.others() == (first.pid,)
    with Neighbors("c") as neighbors:
        assert neighbors.others() == tuple(sorted((first.pid, second.pid)))
        assert first.others() == tuple(sorted((os.getpid(), second.pid)))


def test_processes_of_one_run_are_no_neighbors(start):
    first, second, third = start("a"), start("a"), start("b")
    assert first.others() == second.others() == (third.pid,)


def test_without_a_group_every_process_is_alone():
    with Neighbors() as neighbors:
        assert neighbors.others() == ()


def test_one_can_look_without_being_registered(start, lock_folder):
    other = start("a")
    assert Neighbors("b").others() == (other.pid,)
    assert len(files(lock_folder)) == 1
    assert other.others() == ()


def test_the_end_of_the_measuring_is_the_end_of_the_registration(start, lock_folder):
    other = start("a")
    with Neighbors("b"):
        assert other.others() == (os.getpid(),)
    assert other.others() == ()
    other.end()
    assert files(lock_folder) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_gone_and_its_file_removed(start, lock_folder, number):
    other = start("a")
    with Neighbors("b") as neighbors:
        assert neighbors.others() == (other.pid,)
        other.end(number)
        assert len(files(lock_folder)) == 2
        assert neighbors.others() == ()
        assert len(files(lock_folder)) == 1


def test_looking_does_not_give_up_the_own_registration(start):
    """Closing any descriptor of a locked file would: the own files are never opened."""
    other = start("a")
    with Neighbors("b") as neighbors:
        for _ in range(3):
            neighbors.others()
        assert other.others() == (os.getpid(),)


def test_several_registrations_of_one_process_count_once_and_end_each(start):
    other = start("a", "a", "b")
    with Neighbors("b") as outer:
        with Neighbors("c") as inner:
            assert outer.others() == inner.others() == (other.pid,)
        assert other.others() == (os.getpid(),)
    assert other.others() == ()


def test_a_forked_child_neither_holds_nor_ends_the_registration(start):
    other = start("a")
    with Neighbors("b") as neighbors:
        child = os.fork()
        if child == 0:
            neighbors.__exit__(None, None, None)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert other.others() == (os.getpid(),)


def test_files_that_no_registration_wrote_do_no_harm(lock_folder):
    lock_folder.mkdir()
    (lock_folder / f"empty{SUFFIX}").touch()
    (lock_folder / f"bytes{SUFFIX}").write_bytes(b"\xff\x00 nonsense")
    (lock_folder / f"folder{SUFFIX}").mkdir()
    (lock_folder / f"link{SUFFIX}").symlink_to("/etc/hostname")
    os.mkfifo(lock_folder / f"pipe{SUFFIX}")
    with Neighbors("a") as neighbors:
        assert neighbors.others() == ()


def test_a_leftover_of_another_user_stays_and_does_not_count(lock_folder, monkeypatch):
    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    lock_folder.mkdir()
    (lock_folder / f"old{SUFFIX}").write_text("1 a")
    monkeypatch.setattr(Path, "unlink", refuse)
    with Neighbors("b") as neighbors:
        assert neighbors.others() == ()


def test_a_folder_that_cannot_be_written_is_no_error(start, lock_folder, monkeypatch):
    other = start("a")

    def refuse(path: Path, text: str) -> int:  # the tests may run as root, whom no mode stops
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock, "take", refuse)
    with Neighbors("b") as neighbors:
        assert neighbors.others() == (other.pid,)
        assert other.others() == ()


def test_without_any_folder_nothing_is_said(monkeypatch, tmp_path):
    (tmp_path / "file").touch()

    def nowhere() -> Path:
        raise FileNotFoundError(2, "No usable temporary directory found")

    for folder in (lambda: tmp_path / "file" / "locks", nowhere):
        monkeypatch.setattr(lock, "lock_folder", folder)
        with Neighbors("a") as neighbors:
            assert neighbors.others() == ()
