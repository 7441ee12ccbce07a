"""Baselines: records of an earlier version of the code, kept under a name below the current folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from greenbench.errors import UserError
from greenbench.records.conditions import conditions_but_code, key_of, version_of_code
from greenbench.records.folder import RecordFolder, Unreadable
from greenbench.records.record import Record
from greenbench.spec.scale import BASELINES, STUDY

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def baseline_folder(name: str, here: Path) -> Path:
    """Return the folder of a baseline.

    Raises
    ------
    UserError
        If it can be no name of a baseline.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be the name of a baseline", "take letters, digits, dots, dashes and underscores"
        )
    if name == STUDY:
        raise UserError(
            f"a baseline cannot be called {STUDY}: that is the published study", "take another name"
        )
    return here / BASELINES / name


def find_baseline(given: str, here: Path) -> Path:
    """Return the folder that a name or a path stands for.

    Raises
    ------
    UserError
        If there is none, naming those that there are.
    """
    named = here / BASELINES / given
    folder = (
        named if _NAME.fullmatch(given) and (named.is_dir() or not (here / given).is_dir()) else here / given
    )
    if not given or not folder.is_dir():
        known = sorted(path.name for path in (here / BASELINES).glob("*") if path.is_dir())
        there = f"there are {', '.join(known)}" if known else f"there is none in {here / BASELINES}"
        raise UserError(
            f"there is no baseline {given!r}: {there}",
            "keep one with --green-save, or give a folder of records",
        )
    return folder


def read_runs(folder: Path) -> tuple[list[Record], list[Unreadable]]:
    """Return the sound records of a folder and of the folders in it, which are sessions, and the files that are none.

    Raises
    ------
    UserError
        If there is no sound record.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder", _GIVE)
    places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    found = [RecordFolder(place).read() for place in places]
    records = [record for sound, _ in found for record in sound]
    unreadable = [file for _, files in found for file in files]
    if not records:
        why = f": {unreadable[0].path.name}: {unreadable[0].reason}" if unreadable else ""
        raise UserError(f"{folder} holds no record that can be read{why}", _GIVE)
    return records, unreadable


def save_baseline(records: Sequence[Record], folder: Path) -> None:
    """Keep the records of one session in a folder of its own, beside those of earlier ones.

    Of what was measured again, records of another version of the code are taken away: a baseline has one version of each
    case on each machine.
    """
    saved = {_place(record): version_of_code(record) for record in records}
    if folder.is_dir():
        for session in (path for path in folder.iterdir() if path.is_dir()):
            for old in RecordFolder(session).read()[0]:
                if saved.get(_place(old), version_of_code(old)) != version_of_code(old):
                    (session / old.file_name).unlink()
            if not any(session.iterdir()):
                session.rmdir()
    for record in records:
        RecordFolder(folder / record.session[:12]).write(record, synced=False)


def _place(record: Record) -> str:
    return key_of({**conditions_but_code(record), "technique": record.case.technique})


_GIVE = "give a folder that a study wrote with --green-out"
