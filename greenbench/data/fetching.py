"""Downloads: checked, unpacked beside their place, and moved there whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import gzip
import hashlib
import http.client
import lzma
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from greenbench.errors import UserError
from greenbench.spec.download import Download

TEMPORARY = ".greenbench-download"
"""Folder below the data root while a download is under way. What a killed process left there, the next one removes."""

TIMEOUT_S = 30.0
TRIES = 4
"""In a row without one more byte."""

PAUSE_S = 2.0
CHUNK = 1 << 18

DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
"""What the libraries raise for archives that are damaged, encrypted, or packed in an unknown way."""

Tell = Callable[[int, int], None]
"""Is told how many bytes there are, and of how many."""


def fetch(download: Download, root: Path, tell: Tell = lambda _done, _total: None) -> Path:
    """Return where a download lies below the data root; get it where it is not there.

    An archive of that name that lies in the data root already is unpacked instead.

    Raises
    ------
    UserError
        If it cannot be got, is not what its checksum says, or cannot be unpacked. Nothing of it is left then.
    """
    place = download.place(root)
    try:
        with _alone(root) as temporary:
            return _there(download, root, place, temporary, tell)
    except OSError as error:
        raise _cannot_write(root, error) from error


def _there(download: Download, root: Path, place: Path, temporary: Path, tell: Tell) -> Path:
    if place.exists():
        if download.folder is None:
            _check(place, download, "move it away, and download it again")
        return place
    found = root / download.name
    if found.is_file():
        _check(found, download, "move it away, and download it again")
    else:
        found = temporary / download.name
        _get(download.url, found, tell)
        _check(found, download, "run this again; where that does not help, get the file elsewhere")
    if download.folder is not None:
        found = _unpacked(found, temporary / "unpacked", download.folder)
    return found.replace(place)


@contextmanager
def _alone(root: Path) -> Iterator[Path]:
    """Give an empty folder below the data root, to one process at a time, and remove it."""
    temporary = root / TEMPORARY
    lock = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"another process downloads into {root}", "wait until it is done") from error
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir()
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    finally:
        os.close(lock)


def _get(url: str, target: Path, tell: Tell) -> None:
    """Write what is at an address into a file; go on where a connection ended."""
    tries = done = 0
    problem = "it sent nothing"
    with target.open("wb") as file:
        while tries < TRIES:
            before = done
            try:
                with _opened(url, done) as answer:
                    if done and answer.status != http.HTTPStatus.PARTIAL_CONTENT:
                        done = before = 0
                        file.seek(0)
                        file.truncate()
                    total = done + int(answer.headers.get("Content-Length") or 0)
                    _check_room(target, total - done)
                    while chunk := answer.read(CHUNK):
                        _write(file, chunk, target)
                        done += len(chunk)
                        tell(done, max(done, total))
                if done >= total:
                    return
                problem = f"the connection ended after {done:,} of {total:,} bytes"
            except urllib.error.HTTPError as error:
                problem = f"the answer is {error.code} {error.reason}"
                error.close()
                if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                    break
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                problem = " ".join(str(getattr(reason, "strerror", None) or reason).split())
            tries = 0 if done > before else tries + 1
            if tries < TRIES:
                time.sleep(PAUSE_S * tries)
    raise UserError(
        f"{url} cannot be downloaded: {problem}",
        "look at the network (HTTPS_PROXY names a proxy) and run this again, or get the file elsewhere and put it into "
        "the data root",
    )


def _opened(url: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "greenbench", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)
    if request.type not in ("http", "https"):
        raise UserError(f"{url} is no address of the web", "give one that begins with https://")
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    return answer


def _write(file: IO[bytes], chunk: bytes, target: Path) -> None:
    """Write now, so that a full disk is none of the connection's errors."""
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise _cannot_write(target.parent.parent, error) from error


def _check_room(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise UserError(
            f"{target.name} has {needed:,} bytes, and {target.parent.parent} has {free:,} left",
            "make room, or choose another data root",
        )


def _check(file: Path, download: Download, next_step: str) -> None:
    kind, _, official = download.checksum.partition(":")
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", next_step) from error
    if not found.startswith(official):
        raise UserError(
            f"{download.name} has the {kind.upper()} {found}, and the official one {official}"
            f"{_kind_of_page(file)}",
            next_step,
        )


def _kind_of_page(file: Path) -> str:
    with file.open("rb") as content:
        start = content.read(64).lstrip().lower()
    return ": it is a web page" if start.startswith((b"<!doctype", b"<html")) else ""


def _unpacked(archive: Path, into: Path, folder: str) -> Path:
    """Unpack an archive, and return the one folder of it that is wanted."""
    into.mkdir()
    try:
        for name, content in _contents(archive):
            target = into.joinpath(*_parts(name, archive))
            if content is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                shutil.copyfileobj(content, file, CHUNK)
    except FileExistsError as error:
        raise UserError(
            f"{archive.name} holds {Path(error.filename).name} twice", "unpack it by hand"
        ) from error
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise UserError(f"{archive.name} cannot be unpacked ({reason})", "download it again") from error
    if not (into / folder).is_dir():
        raise UserError(f"{archive.name} holds no folder {folder}", "unpack it by hand")
    return into / folder


def _contents(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield names and contents of an archive, None for folders. Whatever is neither file nor folder is refused."""
    if archive.suffix.lower() == ".zip":
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                kind = entry.external_attr >> 16 & 0o170000
                if kind not in (0, 0o100000, 0o040000):
                    raise _not_safe(archive, entry.filename, "a link or a device")
                if entry.is_dir():
                    yield entry.filename, None
                else:
                    with packed.open(entry) as content:
                        yield entry.filename, content
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if not (member.isreg() or member.isdir()):
                raise _not_safe(archive, member.name, "a link or a device")
            yield member.name, None if member.isdir() else tar.extractfile(member)


def _parts(name: str, archive: Path) -> tuple[str, ...]:
    """Return the parts of a name in an archive; refuse one that leads out of it."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise _not_safe(archive, name, "a name that leads out of it")
    return path.parts


def _not_safe(archive: Path, name: str, what: str) -> UserError:
    return UserError(
        f"{archive.name} holds {name!r}, {what}, and is not unpacked", "look at where it is from"
    )


def _cannot_write(root: Path, error: OSError) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"the disk of {root} is full", "make room, or choose another data root")
    return UserError(
        f"{root} cannot be written ({error.strerror or error})",
        "change its permissions, or choose another data root",
    )
