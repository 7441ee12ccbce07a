"""Reads a tidy table, one row for each run or epoch: text columns and numbers, each with its line in the file."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenbench.errors import UserError

DELIMITERS = (",", "\t", ";")
JSON_LINES = (".jsonl", ".ndjson")
NO_VALUE = ("", "-", "–", "na", "n/a", "null", "none", "nan")
"""What a cell may hold where there is no value, in any case of letters."""

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
NAMES_SHOWN = 12


@dataclass(frozen=True)
class Row:
    """One row: its line in the file, from 1, and the text of each cell."""

    line: int
    cells: Sequence[str]


@dataclass(frozen=True)
class Tidy:
    """A table as it stands in a file.

    Attributes
    ----------
    name, sha256
        Of the file.
    columns
        Their names, left to right.
    rows
        All of them, each with a cell for every column.
    decimal
        The sign before the decimals of numbers.
    """

    name: str
    sha256: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    decimal: str = "."

    def index(self, column: str, role: str) -> int:
        """Return the place of the column that a role was given; `UserError` unless there is exactly one."""
        found = [place for place, name in enumerate(self.columns) if name == column]
        if len(found) == 1:
            return found[0]
        what = "has no column" if not found else f"has {len(found)} columns"
        raise UserError(
            f"{self.name} {what} {column!r} for the {role}; its columns are {listed(self.columns)}",
            f"name one of them with --{role}" if not found else "give each column a name of its own",
        )

    def text(self, row: Row, place: int) -> str:
        """Return a cell that must say something.

        Raises
        ------
        UserError
            If it is empty, or not a number where a name belongs.
        """
        text = row.cells[place].strip()
        if text.lower() in ("", "nan"):
            raise self.fault(row, place, "every row needs one", "fill it in, or take the row out")
        return text

    def number(self, row: Row, place: int) -> float | None:
        """Return the number in a cell, or None where it holds no value.

        Raises
        ------
        UserError
            If it holds a text.
        """
        text = row.cells[place].strip()
        plain = text if self.decimal == "." else text.replace(".", "x").replace(self.decimal, ".")
        if _NUMBER.fullmatch(plain):
            value = float(plain)
            return value if math.isfinite(value) else None
        if text.lower() in NO_VALUE or _INFINITE.fullmatch(text):
            return None
        other = "," if self.decimal == "." else "."
        hint = "write it without unit and without signs between thousands, or leave the cell empty"
        if _NUMBER.fullmatch(text.replace(other, ".")):
            hint = f"give --decimal {other} if that is the decimal sign; otherwise {hint}"
        raise self.fault(row, place, f"allowed is a number such as 0{self.decimal}98 or 1e-3", hint)

    def whole_number(self, row: Row, place: int) -> int:
        """Return the whole number in a cell; ``3.0`` is one, too.

        Raises
        ------
        UserError
            If it holds anything else.
        """
        try:
            value = self.number(row, place)
        except UserError:
            value = None
        if value is None or value != int(value) or abs(value) >= 2**53:
            raise self.fault(
                row, place, "allowed is a whole number", "number the runs and the epochs with whole numbers"
            )
        return int(value)

    def why_no_number(self, row: Row, place: int) -> str:
        """Return why a cell has no number."""
        text = row.cells[place].strip()
        said = "is empty" if not text else f"says {text!r}"
        return f"column {self.columns[place]!r} {said} in line {row.line}"

    def fault(self, row: Row, place: int, allowed: str, next_step: str) -> UserError:
        """Return the error of a cell."""
        where = f"{self.name}, line {row.line}, column {self.columns[place]!r}"
        return UserError(f"{where} is {row.cells[place].strip()!r}; {allowed}", next_step)


def listed(names: Sequence[str]) -> str:
    """Write names in a row, the first of many."""
    more = len(names) - NAMES_SHOWN
    return ", ".join(map(repr, names[:NAMES_SHOWN])) + (f" and {more} more" if more > 0 else "")


def read_tidy(path: Path, decimal: str = ".") -> Tidy:
    """Read a table: CSV with commas, semicolons or tabs, or JSON lines; packed by gzip or not.

    Raises
    ------
    UserError
        If the file cannot be read, is no such table, or has no rows.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "give a file with a table") from error
    text = _decoded(path.name, _unpacked(path.name, packed))
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    columns, rows = (
        _json_lines(path.name, text)
        if suffixes[-1:] and suffixes[-1] in JSON_LINES
        else _csv(path.name, text)
    )
    if not rows:
        raise UserError(
            f"{path.name} has a header and no rows" if columns else f"{path.name} is empty",
            "give a table with a header and a row for each run",
        )
    return Tidy(path.name, hashlib.sha256(packed).hexdigest(), columns, rows, decimal)


def _unpacked(name: str, content: bytes) -> bytes:
    if content.startswith(_ZIP):
        raise UserError(f"{name} is a workbook or another archive", "save the table as CSV in UTF-8")
    if not content.startswith(_GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{name} cannot be unpacked ({error})", "get the file again") from error


def _decoded(name: str, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(
            f"{name}, line {line}: byte {content[error.start]:#04x} is not UTF-8",
            "save the table as UTF-8, such as with iconv -f latin1 -t utf-8",
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UserError(
            f"{name}, line {line} holds a zero byte: it is no text", "save the table as CSV in UTF-8"
        )
    return text


def _csv(name: str, text: str) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    delimiter = max(DELIMITERS, key=re.sub(r'"[^"]*"', "", first).count)
    lines = _csv_lines(name, text, delimiter)
    _, header = next(lines, (0, []))
    columns = tuple(cell.strip() for cell in header)
    rows = []
    for line, cells in lines:
        if len(cells) != len(columns):
            raise UserError(
                f"{name}, line {line} has {len(cells)} cells, and the header has {len(columns)}, divided by "
                f"{delimiter!r}",
                f"put texts and numbers that hold {delimiter!r} into double quotes",
            )
        rows.append(Row(line, cells))
    return columns, tuple(rows)


def _csv_lines(name: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines in which anything stands, each with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(
            f"{name}, line {reader.line_num} is not CSV ({error})",
            "mend the quotes of this line or of one above",
        ) from error


def _json_lines(name: str, text: str) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    objects: list[tuple[int, dict[str, object]]] = []
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        try:
            content = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{name}, line {line} is not JSON ({error})", "give one JSON object a line"
            ) from error
        if not isinstance(content, dict):
            raise UserError(f"{name}, line {line} is no JSON object", "give one JSON object a line")
        objects.append((line, content))
    columns = tuple(dict.fromkeys(column for _, content in objects for column in content))
    return columns, tuple(
        Row(line, ["" if (value := content.get(column)) is None else str(value) for column in columns])
        for line, content in objects
    )
