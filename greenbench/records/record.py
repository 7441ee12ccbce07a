"""Records: one JSON file for each finished case, written once and never edited. Imports no torch.

A file's name holds the case, its key and the machine's, so that records of several machines can be copied
into one folder.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cattrs

from greenbench.case import Case
from greenbench.errors import UserError
from greenbench.records.machine import Machine
from greenbench.records.results import InferenceResult, TrainingResult

SCHEMA = 1
"""Version of the format; a file of another version is reported and left out."""


@dataclass(frozen=True)
class TechniqueFacts:
    """The technique as it was when it was measured, with its source."""

    title: str
    category: str
    citation: str
    file: str
    card: str
    code: str
    changed_fields: tuple[str, ...]


@dataclass(frozen=True)
class DataFacts:
    """The data that were used: counts of images, and what tells this copy from another.

    `backbone` names the weights that a segmentation backbone started from; None for random ones.
    """

    title: str
    task: str
    train_images: int | None
    heldout_images: int | None
    version: str | None
    backbone: str | None = None


@dataclass(frozen=True)
class Record:
    """One finished case.

    Attributes
    ----------
    schema
        Version of this format.
    key
        Hash of `case`.
    case, machine
        What was run, and on what.
    session
        Name of the run that wrote it; tells its own records from those of an earlier one.
    suite_commit
        Git commit of greenbench, or None for an installed package.
    started_at
        UTC, ISO 8601.
    seconds
        Duration of the case, reading data and building the network included.
    technique, data
        Facts that the tables need, and the technique's source code.
    training, inference
        The result, according to the case's kind.
    """

    schema: int
    key: str
    case: Case
    machine: Machine
    session: str
    suite_commit: str | None
    started_at: str
    seconds: float
    technique: TechniqueFacts
    data: DataFacts
    training: TrainingResult | None
    inference: InferenceResult | None

    @property
    def file_name(self) -> str:
        """Name of the record's file."""
        return record_file_name(self.case, self.machine)


def record_file_name(case: Case, machine: Machine) -> str:
    """Return the name of the file that holds, or will hold, the record of a case on a machine."""
    return f"{case.kind}-{case.id}-seed{case.seed}-{case.key}-{machine.key}.json"


@dataclass(frozen=True)
class Unreadable:
    """A file in a record folder that is no record, and why."""

    path: Path
    reason: str


class RecordFolder:
    """A folder of records.

    Parameters
    ----------
    path
        Need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, record: Record) -> Path:
        """Write a record at once and whole: to a temporary name first, then renamed.

        Raises
        ------
        UserError
            If the disk is full or the folder cannot be written; files already there stay as they are.
        """
        target = self.path / record.file_name
        temporary = target.with_suffix(f".{os.getpid()}.tmp")
        text = json.dumps(_plain(record), indent=1)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise UserError(
                f"the record {target} cannot be written ({error.strerror}); make room or choose another "
                "folder with --green-out, then go on with --green-resume"
            ) from error
        return target

    def find(self, case: Case, machine: Machine) -> Record | None:
        """Return the record of a case on a machine, or None where there is none that can be read."""
        path = self.path / record_file_name(case, machine)
        if not path.is_file():
            return None
        loaded = read_record(path)
        return loaded if isinstance(loaded, Record) else None

    def read(self) -> tuple[list[Record], list[Unreadable]]:
        """Return all records, sorted by file name, and the JSON files that are none."""
        records: list[Record] = []
        unreadable: list[Unreadable] = []
        for path in sorted(self.path.glob("*.json")):
            loaded = read_record(path)
            if isinstance(loaded, Record):
                records.append(loaded)
            else:
                unreadable.append(loaded)
        return records, unreadable


def read_record(path: Path) -> Record | Unreadable:
    """Read one file; whatever is wrong with it becomes the reason why it is left out."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        return Unreadable(path, f"not readable as JSON: {error}")
    if not isinstance(content, dict) or "schema" not in content:
        return Unreadable(path, "not a greenbench record")
    if content["schema"] != SCHEMA:
        return Unreadable(path, f"schema {content['schema']}; this greenbench reads schema {SCHEMA}")
    try:
        record = _CONVERTER.structure(content, Record)
    except Exception as error:  # cattrs raises groups of whatever a field's conversion raised
        return Unreadable(path, "; ".join(cattrs.transform_error(error)))
    if _plain(record) != content:  # cattrs would take the text "1" for the number 1
        return Unreadable(path, "a value has another type than greenbench writes: it was edited")
    if record.key != record.case.key:
        return Unreadable(
            path, f"its key {record.key} is not that of its case, {record.case.key}: it was edited"
        )
    return record


def _plain(record: Record) -> Any:
    """Return a record as what JSON knows: objects, lists, texts and numbers."""
    return json.loads(json.dumps(cattrs.unstructure(record), allow_nan=False))


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
