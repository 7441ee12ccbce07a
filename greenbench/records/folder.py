"""A folder of records: one JSON file for each case that was run, written once and never edited.

A file's name holds the case, its key and the machine's, so that records of several machines can be copied into one
folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenbench.atomic import whole_file
from greenbench.errors import UserError
from greenbench.records import schema1
from greenbench.records.contradictions import contradiction
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import Machine
from greenbench.records.record import SCHEMA, Record, record_file_name
from greenbench.records.results import Result
from greenbench.spec.case import Case

if TYPE_CHECKING:
    from cattrs import Converter

DIGEST = "sha256"
"""Field of the file that holds a digest of all others."""


@dataclass(frozen=True)
class Unreadable:
    """A file in a record folder that is no record, or not a sound one, and why.

    `impossible` tells a record that was edited, or that contradicts itself, from a file that is something else.
    """

    path: Path
    reason: str
    impossible: bool = False


class RecordFolder:
    """A folder of records, which need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write_all(self, records: Iterable[Record]) -> None:
        """Write many records that can be made again, and so need not outlast a power failure."""
        try:
            self.check()
            for record in records:
                self.write(record, synced=False)
        except UserError as error:
            raise UserError(error.problem, "make room or choose another folder with --out") from error

    def write(self, record: Record, *, synced: bool = True) -> Path:
        """Write a record at once and whole; one that needs not outlast a power failure in one line, for speed.

        Raises
        ------
        UserError
            If the disk is full or the folder cannot be written; files already there stay as they are.
        """
        target = self.path / record.file_name
        content = _converter().unstructure(record, Record)
        content[DIGEST] = _digest(content)
        text = json.dumps(content, indent=1 if synced else None, allow_nan=False)
        try:
            with whole_file(target, synced=synced) as file:
                file.write(f"{text}\n".encode())
        except OSError as error:
            raise UserError(
                f"the record {target} cannot be written ({error.strerror})",
                "make room or choose another folder with --green-out, then go on with --green-resume",
            ) from error
        return target

    def check(self) -> None:
        """Raise `UserError` unless records can be written here; nothing is made."""
        place = self.path
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            raise UserError(f"the output folder {self.path} cannot be made: {place} is a file", _ANOTHER)
        if not os.access(place, os.W_OK | os.X_OK):
            raise UserError(f"the output folder {self.path} cannot be written", _ANOTHER)

    def find(self, case: Case, machine: Machine) -> Record | None:
        """Return the record of a case on a machine, or None where there is none that can be read."""
        path = self.path / record_file_name(case, machine)
        if not path.is_file():
            return None
        loaded = read_record(path)
        return loaded if isinstance(loaded, Record) else None

    def read(self) -> tuple[list[Record], list[Unreadable]]:
        """Return all sound records, sorted by file name, and the JSON files that are none."""
        records: list[Record] = []
        unreadable: list[Unreadable] = []
        for path in sorted(self.path.glob("*.json")):
            if path.name in DERIVED:
                continue
            loaded = read_record(path)
            if isinstance(loaded, Record):
                records.append(loaded)
            else:
                unreadable.append(loaded)
        return records, unreadable

    def read_some(self) -> tuple[list[Record], list[Unreadable]]:
        """Like `read`; `UserError` where there is no record."""
        records, left_out = self.read()
        if not records:
            first = f"; {left_out[0].path.name}, for one: {left_out[0].reason}" if left_out else ""
            raise UserError(
                f"{self.path} holds no records ({len(left_out)} other JSON files{first})",
                "give the folder of a study, such as reports/local",
            )
        return records, left_out


VERDICTS = "verdicts.json"
TARGETS = "targets.json"
RESULTS = "results.json"
DERIVED = (VERDICTS, TARGETS, RESULTS)
"""JSON files in a record folder that are made from the records."""

_ANOTHER = "choose another folder with --green-out"


def load_records(folder: Path | str) -> list[Record]:
    """Return the sound records of a folder, sorted by file name."""
    return RecordFolder(Path(folder)).read()[0]


def read_record(path: Path) -> Record | Unreadable:
    """Read one file; whatever is wrong with it becomes the reason why it is left out."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return Unreadable(path, f"not readable as JSON: {error}")
    if not isinstance(content, dict) or "schema" not in content:
        return Unreadable(path, "not a greenbench record")
    schema = content["schema"]
    if schema not in (1, SCHEMA) or isinstance(schema, bool):
        return Unreadable(path, f"schema {schema!r}; this greenbench reads the schemas 1 and {SCHEMA}")
    try:
        if schema == 1:
            content = schema1.upgrade(content)
        elif content.pop(DIGEST, None) != _digest(content):
            return Unreadable(path, "its content is not what its digest says: it was edited", impossible=True)
        record: Record = _converter().structure(content, Record)
        wrong = contradiction(record)
    except schema1.Edited as error:
        return Unreadable(path, f"{error}: it was edited", impossible=True)
    except Exception as error:  # cattrs raises groups of whatever a field's conversion raised
        import cattrs

        return Unreadable(path, "; ".join(cattrs.transform_error(error)))
    # Records of schema 1 that were written again keep the key that they had.
    if record.engine is not None and record.key != record.case.key:
        return Unreadable(
            path,
            f"its key {record.key} is not that of its case, {record.case.key}: it was edited",
            impossible=True,
        )
    if wrong:
        return Unreadable(path, f"{wrong}: such a run cannot have been", impossible=True)
    return record


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _exactly(kinds: type | tuple[type, ...]) -> Any:
    """Return a converter that takes values of these types as they are: the text "1" is no number."""

    def structure(value: Any, to: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and to is not bool):
            raise TypeError(f"{value!r} is not of type {getattr(to, '__name__', to)}")
        return to(value)

    return structure


@cache
def _converter() -> Converter:
    """Return what turns records into plain data and back. Importing and making it takes a tenth of a second."""
    from cattrs import Converter
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
    from cattrs.strategies import configure_tagged_union

    converter = Converter(forbid_extra_keys=True, omit_if_default=True)
    for to, kinds in ((int, int), (float, (int, float)), (str, str), (bool, bool)):
        converter.register_structure_hook(to, _exactly(kinds))
    configure_tagged_union(
        Result, converter, tag_name="type", tag_generator=lambda kind: kind.__name__.lower()
    )
    known: dict[str, Machine | Elsewhere] = {}

    def where(value: Any, _to: Any) -> Machine | Elsewhere:
        """Read what many records have in common once."""
        text = json.dumps(value)
        if text not in known:
            to: type[Machine | Elsewhere] = Elsewhere if "table" in value else Machine
            known[text] = converter.structure(value, to)
        return known[text]

    converter.register_structure_hook(Machine | Elsewhere, where)
    # What identifies a record is written even where it is the default.
    converter.register_unstructure_hook(
        Record,
        make_dict_unstructure_fn(
            Record,
            converter,
            _cattrs_omit_if_default=True,
            schema=override(omit_if_default=False),
            key=override(omit_if_default=False),
        ),
    )
    converter.register_structure_hook(
        Record, make_dict_structure_fn(Record, converter, _cattrs_forbid_extra_keys=True)
    )
    return converter
