"""A file is there whole or not at all: errors, full disks and killed processes leave what was there."""

import os
import subprocess
import sys

import pytest

from greenbench.atomic import UNFINISHED, whole_file


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("synced", [False, True])
def test_a_file_takes_its_place_when_all_is_written(tmp_path, synced):
    target = tmp_path / "new" / "folder" / "a.json"
    for content in (b"first", b"second"):
        with whole_file(target, synced=synced) as file:
            file.write(content)
            assert not target.exists() or target.read_bytes() == b"first"
        assert target.read_bytes() == content
    assert names_in(target.parent) == ["a.json"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")]
)
def test_whatever_is_raised_leaves_what_was_there(tmp_path, error):
    target = tmp_path / "a.json"
    target.write_bytes(b"kept")

    def write():
        with whole_file(target) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert target.read_bytes() == b"kept"
    assert names_in(tmp_path) == ["a.json"]


def test_a_process_that_is_killed_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.json"
    target.write_bytes(b"kept")
    script = (
        "import os, sys; from pathlib import Path; from greenbench.atomic import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, target], check=False).returncode == 9
    assert target.read_bytes() == b"kept"
    left = [name for name in names_in(tmp_path) if name != "a.json"]
    assert all(name.startswith(".") and name.endswith(UNFINISHED) for name in left)
    assert len(left) == 1


def test_others_may_read_it_as_far_as_the_user_lets_them(tmp_path):
    before = os.umask(0o022)
    try:
        with whole_file(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_names_as_long_as_the_system_takes(tmp_path):
    with whole_file(tmp_path / ("a" * 255)) as file:
        file.write(b"x")
    assert names_in(tmp_path) == ["a" * 255]


def test_a_folder_that_cannot_be_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"), whole_file(tmp_path / "file" / "a") as file:
        file.write(b"x")
