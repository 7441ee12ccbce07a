"""The command line: what it offers, what it costs to start, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import greenbench
from greenbench import cli
from greenbench.cli import main
from greenbench.errors import UserError

HOME = Path(greenbench.__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HOME.parent)}
ENVIRONMENT.pop("PYTHONUNBUFFERED", None)
COMMANDS = {path.stem for path in (HOME / "cli").glob("[a-z]*.py")}


def run(command, **environment):
    return subprocess.run(
        [sys.executable, "-m", "greenbench.cli", *command],
        capture_output=True,
        env={**ENVIRONMENT, **environment},
        check=False,
    )


def test_help_lists_every_command_with_its_first_line(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert {"list", "show", "audit", "doctor", "watch"} <= COMMANDS
    for name in COMMANDS:
        module = __import__(f"greenbench.cli.{name}", fromlist=["run"])
        assert f"{name} {module.__doc__.splitlines()[0].rstrip('.')}" in text


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"usage: greenbench {name}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["reprot"], []])
def test_an_unknown_command_and_none_are_refused(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    error = capsys.readouterr().err
    assert arguments[0] in error if arguments else "COMMAND" in error


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"greenbench {greenbench.__version__}\n"


def test_bad_input_is_a_sentence_and_exit_code_2(capsys, monkeypatch):
    def run(args):
        raise UserError("the thing is broken", "mend it")

    monkeypatch.setattr("greenbench.cli.list.run", run)
    assert main(["list"]) == cli.USAGE_ERROR == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "greenbench: error: the thing is broken; mend it\n")


def test_choosing_a_command_imports_no_other_and_no_torch():
    code = (
        "import sys; from greenbench.cli import main; main(['list'])\n"
        "loaded = {m.rpartition('.')[2] for m in sys.modules if m.startswith('greenbench.cli.')}\n"
        "assert loaded == {'list', '_faults', '_streams'}, loaded\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=ENVIRONMENT)


def test_a_terminal_that_cannot_show_a_letter_shows_another():
    shown = run(["show", "ge_theta"], PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert shown.stdout.startswith(b"GE-? (ge_theta)\n")
    refused = run(["show", "é"], PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert refused.returncode == 2
    assert b"neither a technique nor a workload" in refused.stderr
    assert b"Traceback" not in refused.stderr


def test_signs_of_a_measurement_are_spelled_out_in_ascii():
    code = (
        "import sys; from greenbench.cli._streams import prepare; prepare();"
        "print('3 µJ ± 1 µJ at 40 °C é'); print('±', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    )
    assert done.stdout == b"3 uJ +/- 1 uJ at 40  deg C ?\n"
    assert done.stderr == b"+/-\n"


def test_an_interrupt_is_a_line_and_exit_code_130(capsys, monkeypatch):
    def run(args):
        raise KeyboardInterrupt

    monkeypatch.setattr("greenbench.cli.doctor.run", run)
    assert main(["doctor"]) == cli.INTERRUPTED == 130
    assert capsys.readouterr().err == "greenbench: interrupted\n"


def test_a_file_that_fails_is_not_taken_for_standard_output(monkeypatch, capsys):
    def run(args):
        raise OSError("another file")

    monkeypatch.setattr("greenbench.cli.list.run", run)
    with pytest.raises(OSError, match="another file"):
        main(["list"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_output_is_a_line_and_exit_code_1():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "greenbench.cli", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"greenbench: error: standard output cannot be written: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("closed", ["0<&-", ">&-", "2>&-", "0<&- >&- 2>&-"])
def test_a_closed_stream_is_no_error_and_no_file_gets_its_number(closed):
    code = "import os, sys; sys.exit(os.path.samefile('/dev/null', f'/dev/fd/{sys.argv[1]}') + 5)"
    number = {"0<&-": 0, "2>&-": 2}.get(closed, 1)
    command = (
        f'{sys.executable} -m greenbench.cli watch --meter none -- {sys.executable} -c "$0" {number} {closed}'
    )
    done = subprocess.run(["sh", "-c", command, code], capture_output=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 6
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", [None, "1"])
def test_a_reader_that_is_gone_is_no_error(unbuffered):
    """The text is small enough to be written only when the command ends, or, unbuffered, at once."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = ENVIRONMENT if unbuffered is None else {**ENVIRONMENT, "PYTHONUNBUFFERED": unbuffered}
    with os.fdopen(writer, "wb") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "greenbench.cli", "list"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    command = f"{sys.executable} -m greenbench.cli list | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.split() == [
        "Collection",
        "paper:",
        "runs",
        "where",
        "nothing",
        "else",
        "is",
        "asked",
        "for",
    ]
    assert done.stderr == ""
