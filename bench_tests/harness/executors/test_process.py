"""A function in a process of its own: whatever it does, the one that asked goes on."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from bench_tests.harness.executors import functions
from greenbench.errors import UserError
from greenbench.executors.executor import Inline, Lost
from greenbench.executors.process import Processes, supported
from greenbench.study.foreign import beside

pytestmark = pytest.mark.skipif(not supported(), reason="this system has no file descriptors of processes")


@pytest.fixture(scope="module")
def processes():
    made = Processes(functions.prepare)
    yield made
    made.close()


def is_there(pid):
    """Whether a process runs; one that is a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid):
    """Wait for a process to end."""
    for _ in range(1000):
        if not is_there(pid):
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("where", ["process", "inline"])
def test_it_returns_what_the_function_returns_and_tells_its_progress(processes, where):
    told = []
    executor = processes if where == "process" else Inline()
    assert executor.call(functions.add, [1], [2], progress=told.append) == [1, 2]
    assert [one.text for one in told] == ["added"]


def test_each_call_has_a_process_of_its_own(processes):
    first, second = processes.call(functions.number), processes.call(functions.number)
    assert len({first, second, os.getpid()}) == 3
    assert not is_there(first)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (functions.crash, "its process was ended by SIGSEGV"),
        (functions.abort, "its process was ended by SIGABRT"),
        (functions.kill, "its process was ended by SIGKILL, as the system does when memory runs out"),
        (functions.leave, "it ended its process with exit code 0"),
        (functions.stop, "it raised SystemExit: 3"),
        (functions.interrupt, "it raised KeyboardInterrupt"),
        (functions.fail, "it raised ValueError: seven"),
    ],
)
def test_whatever_ends_a_function_is_said_and_the_next_one_runs(processes, function, said):
    with pytest.raises(Lost) as lost:
        processes.call(function)
    assert lost.value.problem == said
    assert processes.call(functions.add, 1, 2) == 3


def test_a_crash_leaves_its_last_lines_and_where_it_was(processes):
    with pytest.raises(Lost) as lost:
        processes.call(functions.crash)
    assert isinstance(lost.value, UserError)  # where it is not caught it is a sentence
    assert "before the crash" in lost.value.output
    assert "in crash" in lost.value.output


def test_an_exception_leaves_its_traceback(processes):
    with pytest.raises(Lost) as lost:
        processes.call(functions.fail)
    assert "functions.py" in lost.value.output


def test_an_error_of_the_user_s_comes_as_it_is(processes):
    with pytest.raises(UserError, match="the value is 7; give 8") as error:
        processes.call(functions.refuse)
    assert error.value.next_step == "give 8"


def test_a_result_that_cannot_be_pickled_is_said(processes):
    with pytest.raises(Lost, match="pickle"):
        processes.call(functions.give_what_cannot_be_pickled)


def test_a_function_that_hangs_is_ended_at_its_deadline(processes):
    with pytest.raises(Lost, match=r"it did not end within 300 ms, and was ended"):
        processes.call(functions.sleep, deadline_s=0.3)
    assert processes.call(functions.add, 1, 2) == 3


def test_what_a_function_leaves_running_ends_with_it(processes):
    assert ends(processes.call(functions.leave_a_program))


def test_what_it_prints_is_printed_here(processes, capsys):
    processes.call(functions.say, "what it says")
    assert capsys.readouterr().out == "what it says\n" * 2


def test_a_folder_of_one_user_s_file_is_known_as_such_there(processes, tmp_path):
    with beside(tmp_path):
        found = processes.call(functions.path)
        assert [(type(entry), entry) for entry in found] == [(type(entry), entry) for entry in sys.path]


def test_nothing_of_a_function_reaches_the_next_one(processes):
    before = processes.call(functions.state)
    processes.call(functions.pollute)
    assert processes.call(functions.state) == before


def test_an_environment_that_is_changed_later_does_not_reach_it(monkeypatch):
    monkeypatch.setenv("POLLUTED", "by a user's file")
    processes = Processes(functions.prepare)
    assert processes.call(functions.state)[0] is None
    processes.close()


def test_ctrl_c_ends_what_runs_and_a_new_server_serves_the_next(processes):
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        processes.call(functions.sleep)
    assert processes.call(functions.add, 1, 2) == 3


def test_a_server_that_is_killed_is_said_and_begins_anew(processes):
    processes.call(functions.number)
    server = processes._server.pid
    threading.Timer(0.5, os.kill, (server, signal.SIGKILL)).start()
    with pytest.raises(Lost, match="the server of its process ended"):
        processes.call(functions.sleep)
    assert processes.call(functions.add, 1, 2) == 3


def test_closing_leaves_no_process():
    processes = Processes(functions.prepare)
    processes.call(functions.number)
    server = processes._server.pid
    processes.close()
    assert not is_there(server)
    processes.close()
