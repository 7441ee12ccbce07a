"""Downloads: what arrives is whole and checked, and of what does not, nothing is left and one sentence says why."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import shutil
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from bench_tests.harness.local_server import Server, offer, tar_of, zip_of
from greenbench.data import fetching
from greenbench.data.fetching import TEMPORARY, fetch
from greenbench.errors import UserError
from greenbench.spec.download import Download

CONTENT = {"set/a.txt": b"first" * 1000, "set/deep/b.bin": bytes(range(256)) * 40, "readme": b"beside"}
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(fetching, "PAUSE_S", 0)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(download, root, words):
    """Check that a download fails in one sentence and leaves the root as it was."""
    before = sorted(root.rglob("*"))
    with pytest.raises(UserError, match=words) as error:
        fetch(download, root)
    assert "\n" not in str(error.value)
    assert error.value.next_step
    assert sorted(root.rglob("*")) == before
    return str(error.value)


@pytest.mark.parametrize(
    ("pack", "name"),
    [(tar_of, "set.tar.gz"), (lambda e: tar_of(e, "w:xz"), "set.tar.xz"), (zip_of, "set.zip")],
)
def test_an_archive_is_checked_unpacked_and_moved(server, root, pack, name):
    told = []
    download = offer(server, pack(CONTENT), name)
    place = fetch(download, root, lambda done, total: told.append((done, total)))
    assert place == root / "set"
    assert (place / "a.txt").read_bytes() == CONTENT["set/a.txt"]
    assert (place / "deep" / "b.bin").read_bytes() == CONTENT["set/deep/b.bin"]
    assert names_in(root) == ["set"], "the archive, its other files and the temporary folder are gone"
    assert told[-1] == (len(server.body), len(server.body))
    assert fetch(download, root) == place
    assert len(server.asked) == 1, "what is there is not downloaded again"


def test_a_file_stays_as_it_is_and_its_digest_may_be_the_beginning(server, root):
    download = offer(server, b"weights", "resnet.pth", None, "sha256")
    short = Download(download.url, download.checksum[: len("sha256:") + 8])
    assert fetch(short, root).read_bytes() == b"weights"
    assert names_in(root) == ["resnet.pth"]
    (root / "resnet.pth").write_bytes(b"weighs")
    refused(short, root, "resnet.pth has the SHA256 .* and the official one .*move it away")


def test_an_archive_that_lies_there_is_unpacked_and_not_downloaded(server, root):
    download = offer(server, tar_of(CONTENT))
    (root / "set.tar.gz").write_bytes(server.body)
    fetch(download, root)
    assert names_in(root) == ["set", "set.tar.gz"]
    assert server.asked == []


def test_a_damaged_archive_that_lies_there_is_named_and_stays(server, root):
    download = offer(server, tar_of(CONTENT))
    (root / "set.tar.gz").write_bytes(server.body[:-9])
    refused(download, root, "set.tar.gz has the MD5")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_ends_is_taken_up_again(server, root, ranges):
    download = offer(server, zip_of(CONTENT), "set.zip")
    server.ranges = ranges
    server.cuts = [50, 40, 0, 60] if ranges else [50]
    fetch(download, root)
    assert (root / "set" / "a.txt").read_bytes() == CONTENT["set/a.txt"]
    assert server.asked == (
        [None, "bytes=50-", "bytes=90-", "bytes=90-", "bytes=150-"] if ranges else [None, "bytes=50-"]
    )


def test_a_body_that_stays_cut_off(server, root):
    download = offer(server, tar_of(CONTENT))
    server.cuts = [100] + [0] * 20
    refused(
        download, root, f"the connection ended after 100 of {len(server.body)} bytes; look at the network"
    )


def test_a_wrong_checksum(server, root):
    download = offer(server, tar_of(CONTENT))
    server.body = tar_of({"set/a.txt": b"another"})
    refused(
        download,
        root,
        "set.tar.gz has the MD5 [0-9a-f]{32}, and the official one [0-9a-f]{32}; run this again",
    )


def test_a_web_page_in_its_place(server, root):
    download = offer(server, tar_of(CONTENT))
    server.body = b"<!DOCTYPE html> please log in"
    refused(download, root, "it is a web page")


@pytest.mark.parametrize(
    ("status", "requests"), [(404, 1), (403, 1), (500, fetching.TRIES), (503, fetching.TRIES)]
)
def test_a_server_that_has_it_not(server, root, status, requests):
    download = offer(server, b"x")
    server.status = status
    refused(download, root, f"cannot be downloaded: the answer is {status} .*put it into the data root")
    assert len(server.asked) == requests


def test_no_network(server, root):
    download = offer(server, b"x")
    unused = Server()
    url = unused.url("set.tar.gz")
    unused.close()
    refused(Download(url, download.checksum, "set"), root, "cannot be downloaded: Connection refused")
    nowhere = Download("http://no-such-host.invalid/set.tar.gz", download.checksum, "set")
    refused(nowhere, root, "no-such-host.invalid/set.tar.gz cannot be downloaded")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://any.where/set.zip"])
def test_other_addresses_than_those_of_the_web(root, url):
    refused(Download(url, "md5:00000000", "set"), root, "is no address of the web")


def test_a_disk_that_is_full_before(server, root, monkeypatch):
    download = offer(server, tar_of(CONTENT))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1000, 1000, 7))
    message = refused(download, root, f"set.tar.gz has {len(server.body)} bytes, and .* has 7 left")
    assert str(root) in message


class Full(io.BytesIO):
    def write(self, _content):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_while_it_arrives(server, root, monkeypatch):
    download = offer(server, tar_of(CONTENT))
    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *more: Full() if mode == "wb" else opened(self, mode, *more)
    )
    message = refused(download, root, "the disk of .* is full; make room")
    assert len(server.asked) == 1, "no fault of the connection"
    assert str(root) in message


def test_a_disk_that_fills_while_it_is_unpacked(server, root, monkeypatch):
    download = offer(server, tar_of(CONTENT))
    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *more: Full() if mode == "xb" else opened(self, mode, *more)
    )
    refused(download, root, "the disk of .* is full; make room")


def test_a_folder_that_cannot_be_written(server, root, monkeypatch):
    def no_folder(self, *_arguments, **_named):
        raise PermissionError(errno.EACCES, "Permission denied")

    download = offer(server, tar_of(CONTENT))
    monkeypatch.setattr(Path, "mkdir", no_folder)
    refused(download, root, r"data cannot be written \(Permission denied\); change its permissions")


def test_an_interruption_leaves_nothing(server, root):
    def interrupt(_done, _total):
        raise KeyboardInterrupt

    download = offer(server, tar_of(CONTENT))
    with pytest.raises(KeyboardInterrupt):
        fetch(download, root, interrupt)
    assert names_in(root) == []
    assert fetch(download, root).is_dir()


def test_what_a_killed_process_left_is_removed(server, root):
    (root / TEMPORARY / "unpacked" / "set").mkdir(parents=True)
    (root / TEMPORARY / "set.tar.gz").write_bytes(b"half")
    fetch(offer(server, tar_of(CONTENT)), root)
    assert names_in(root) == ["set"]


def test_two_at_a_time_into_one_folder_are_refused(server, root):
    descriptor = os.open(root, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    refused(offer(server, tar_of(CONTENT)), root, "another process downloads into")
    os.close(descriptor)
    fetch(offer(server, tar_of(CONTENT)), root)


# Archives that are not what they should be: nothing outside of the temporary folder is ever written.


def member(name, kind, target=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def linked_zip():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        entry = zipfile.ZipInfo("set/link")
        entry.external_attr = 0o120777 << 16
        file.writestr(entry, "/etc/passwd")
    return packed.getvalue()


BAD = {
    "above.tar.gz": (tar_of({"set/a": b"a", "../evil": b"x"}), "evil', a name that leads out of it"),
    "above.zip": (zip_of({"set/a": b"a", "set/../../evil": b"x"}), "evil', a name that leads out of it"),
    "absolute.tar.gz": (tar_of({"/tmp/evil": b"x"}), "evil', a name that leads out of it"),
    "absolute.zip": (zip_of({"/tmp/evil": b"x"}), "evil', a name that leads out of it"),
    "windows.zip": (zip_of({"set\\..\\..\\evil": b"x"}), "evil', a name that leads out of it"),
    "link.tar.gz": (tar_of({"set": member("set", tarfile.SYMTYPE, "/etc")}), "'set', a link or a device"),
    "hard.tar.gz": (
        tar_of({"a": member("set/a", tarfile.LNKTYPE, "../../x")}),
        "'set/a', a link or a device",
    ),
    "device.tar.gz": (tar_of({"a": member("set/null", tarfile.CHRTYPE)}), "'set/null', a link or a device"),
    "pipe.tar.gz": (tar_of({"a": member("set/pipe", tarfile.FIFOTYPE)}), "'set/pipe', a link or a device"),
    "link.zip": (linked_zip(), "'set/link', a link or a device"),
    "twice.tar.gz": (tar_of({"set/a": b"a", "./set/a": b"b"}), "holds a twice"),
    "other.tar.gz": (tar_of({"another/a": b"a"}), "holds no folder set"),
    "none.tar.gz": (b"no archive at all", "cannot be unpacked"),
    "cut.tar.gz": (tar_of(CONTENT)[:-300], "cannot be unpacked"),
    "cut.zip": (zip_of(CONTENT)[:-30], "cannot be unpacked"),
    "changed.zip": (zip_of(CONTENT).replace(b"set/deep/b.bin", b"set/deep/c.bin", 1), "cannot be unpacked"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_archive_that_is_not_safe_or_not_whole(server, root, name):
    body, words = BAD[name]
    refused(offer(server, body, name), root, f"^{name} .*{words}")
    assert not list(root.parent.glob("**/evil"))


@pytest.mark.parametrize(
    "checksum", ["", "md5", "md5:", "md5:123", "md5:ABCDEF123456", "crc32:12345678", "12345678"]
)
def test_a_checksum_that_is_none_is_refused(checksum):
    with pytest.raises(UserError, match="the checksum of"):
        Download("https://any.where/set.zip", checksum)
