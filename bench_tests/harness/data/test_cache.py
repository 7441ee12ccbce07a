"""Decoded images on disk: the same values, decoded once, and no fault of the cache is anybody's error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from greenbench.data import cache
from greenbench.data.cache import kept
from greenbench.data.images import MaskFiles
from greenbench.data.mask_ids import MaskIds
from greenbench.errors import UserError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(cache.SIZE_VARIABLE, raising=False)
    cache._store.cache_clear()
    yield tmp_path / "cache"
    cache._store.cache_clear()


@pytest.fixture
def source(tmp_path) -> Path:
    file = tmp_path / "source"
    file.write_text("a")
    return file


class Decoder:
    """Counts how often it decodes."""

    def __init__(self, content: np.ndarray | None = None) -> None:
        self.content = np.arange(24, dtype=np.uint8).reshape(4, 2, 3) if content is None else content
        self.times = 0

    def __call__(self) -> np.ndarray:
        self.times += 1
        return self.content


def files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=arrays(np.uint8, array_shapes(max_dims=4)), meaning=st.binary(max_size=8))
def test_what_is_kept_is_what_was_decoded(tmp_path_factory, content, meaning):
    source = tmp_path_factory.mktemp("source") / "file"
    source.write_text("a")
    decoder = Decoder(content)
    for _ in range(3):
        found = kept([source], meaning, decoder)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, content)
    assert decoder.times == 1


def test_a_source_that_was_changed_is_decoded_anew(source):
    decoder = Decoder()
    kept([source], b"", decoder)
    source.write_text("ab")
    kept([source], b"", decoder)
    os.utime(source, ns=(1, 1))
    kept([source], b"", decoder)
    kept([source], b"other classes", decoder)
    assert decoder.times == 4


def test_what_is_written_to_does_not_reach_the_file(source):
    decoder = Decoder()
    kept([source], b"", decoder)
    kept([source], b"", decoder)[...] = 9
    np.testing.assert_array_equal(kept([source], b"", decoder), decoder.content)


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_a_file_that_is_not_whole_is_made_anew(folder, source, damage):
    decoder = Decoder()
    kept([source], b"", decoder)
    (file,) = files_in(folder)
    file.write_bytes(file.read_bytes()[:-5] if damage is None else damage)
    np.testing.assert_array_equal(kept([source], b"", decoder), decoder.content)
    np.testing.assert_array_equal(kept([source], b"", decoder), decoder.content)
    assert decoder.times == 2


def test_an_error_of_the_decoder_is_its_own_and_leaves_nothing(folder, source):
    def refuse():
        raise UserError("no image", "mend it")

    with pytest.raises(UserError, match="no image"):
        kept([source], b"", refuse)
    assert not files_in(folder)


def test_a_source_that_is_not_there_is_the_decoders_business(folder, tmp_path):
    decoder = Decoder()
    kept([tmp_path / "none"], b"", decoder)
    assert (decoder.times, files_in(folder)) == (1, [])


def full_disk(monkeypatch, folder):
    def save(file, content):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "save", save)


def little_left(monkeypatch, folder):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000, 950, 50))


def a_file_in_its_place(monkeypatch, folder):
    folder.write_text("no folder")


def too_small(monkeypatch, folder):
    monkeypatch.setenv(cache.SIZE_VARIABLE, "0.000000001")


def switched_off(monkeypatch, folder):
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "off")


@pytest.mark.parametrize(
    "fault", [full_disk, little_left, a_file_in_its_place, too_small, switched_off], ids=lambda f: f.__name__
)
def test_what_cannot_be_kept_is_decoded_each_time(monkeypatch, folder, source, fault):
    fault(monkeypatch, folder)
    decoder = Decoder()
    for _ in range(2):
        np.testing.assert_array_equal(kept([source], b"", decoder), decoder.content)
    assert decoder.times == 2
    assert not folder.is_dir() or not files_in(folder)


FULL = """
import sys
from pathlib import Path

import numpy as np

from greenbench.data import cache
from greenbench.data.cache import kept

cache.FREE_SHARE = 0.0
disk, sources = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
for times in range(2):
    for number, source in enumerate(sources):
        content = np.full(20_000, number, np.uint8)
        assert (kept([source], b"", lambda content=content: content) == content).all()
found = list(disk.rglob("*"))
print("kept", sum(file.suffix == ".npy" for file in found), "unfinished", sum(file.suffix == ".new" for file in found))
"""


@pytest.mark.parametrize(("mount", "least", "most"), [("size=64k", 1, 3), ("ro", 0, 0)])
def test_a_disk_that_is_full_or_may_not_be_written_to(tmp_path, mount, least, most):
    sources = [tmp_path / str(number) for number in range(6)]
    for file in sources:
        file.write_text("a")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = (
        f"mount -t tmpfs -o {mount} none {disk} && "
        f"exec {sys.executable} -c '{FULL}' {disk} {' '.join(map(str, sources))}"
    )
    environment = {**os.environ, cache.FOLDER_VARIABLE: str(disk)}
    try:
        run = subprocess.run(
            ["unshare", "-m", "sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if run.returncode and ("unshare" in run.stderr or "mount" in run.stderr):
        pytest.skip(f"no file system can be mounted here: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
    _, count, _, unfinished = run.stdout.split()
    assert least <= int(count) <= most
    assert int(unfinished) == 0


def test_what_a_killed_process_left_is_removed_when_it_is_old(folder, source):
    kept([source], b"", Decoder())
    (kept_file,) = files_in(folder)
    old, young = (kept_file.with_name(f".{name}.new") for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache._store.cache_clear()  # as a process of its own
    kept([source], b"", Decoder())
    assert files_in(folder) == sorted([kept_file, young])


def test_a_source_that_is_changed_under_its_old_size_and_time_is_decoded_anew(source):
    times = source.stat()
    old, new = Decoder(), Decoder(np.ones(5, np.uint8))
    kept([source], b"", old)
    source.write_text("b")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # as cp -p and tar do
    np.testing.assert_array_equal(kept([source], b"", new), new.content)


def test_the_limit_counts_what_is_there_already(monkeypatch, folder, tmp_path):
    monkeypatch.setenv(cache.SIZE_VARIABLE, "0.0000025")  # 2,500 bytes
    sources = [tmp_path / str(k) for k in range(4)]
    decoder = Decoder(np.zeros(1000, np.uint8))
    for file in sources:
        file.write_text("a")
        kept([file], b"", decoder)
        cache._store.cache_clear()  # as a process of its own
    assert len(files_in(folder)) == 2


@pytest.mark.parametrize("size", ["much", "-1", "nan", "inf"])
def test_a_size_that_makes_no_sense_is_refused(monkeypatch, source, size):
    monkeypatch.setenv(cache.SIZE_VARIABLE, size)
    with pytest.raises(UserError, match="GREENBENCH_CACHE_GB"):
        kept([source], b"", Decoder())


def test_images_with_masks_are_the_same_from_the_cache(monkeypatch, tmp_path):
    generator = np.random.default_rng(0)
    pair = tmp_path / "a.png", tmp_path / "mask.png"
    Image.fromarray(generator.integers(0, 255, (12, 9, 3), dtype=np.uint8)).save(pair[0])
    Image.fromarray(generator.integers(0, 4, (12, 9), dtype=np.uint8)).save(pair[1])
    images = MaskFiles([pair], MaskIds((1, 3), (0, 2), 255, ""))
    first = images[0]
    monkeypatch.setattr(MaskFiles, "_decode", None)  # it is not decoded again
    again = images[0]
    monkeypatch.undo()
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "off")
    without = images[0]
    for image, mask in (again, without):
        assert image.equal(first[0])
        assert mask.equal(first[1])
    other = MaskFiles([pair], MaskIds((2,), (0, 1, 3), 255, ""))[0]
    assert not other[1].equal(first[1])
