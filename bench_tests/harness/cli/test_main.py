"""The command line: what it offers, what it costs to start, and how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import greenbench
from greenbench.cli import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(greenbench.__file__).parents[1])}


def test_help_lists_every_command_with_its_first_line(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for module in (Path(greenbench.__file__).parent / "commands").glob("[a-z]*.py"):
        assert module.stem in text


def test_an_unknown_command_is_refused_with_those_that_exist(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["reprot"])
    assert "reprot" in capsys.readouterr().err


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert greenbench.__version__ in capsys.readouterr().out


def test_choosing_a_command_imports_no_other_and_no_torch():
    code = (
        "import sys; from greenbench.cli import main; main(['list'])\n"
        "loaded = {m.rpartition('.')[2] for m in sys.modules if m.startswith('greenbench.cli.')}\n"
        "assert loaded == {'list'}, loaded\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=ENVIRONMENT)


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    command = f"{sys.executable} -m greenbench.cli audit --json | head -n 1"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert run.stdout == "{\n"
    assert run.stderr == ""
