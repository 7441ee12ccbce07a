"""Makes records of a table of results that others measured; see `read_results`."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from greenbench.errors import UserError
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import suite_commit
from greenbench.records.memory import PROCESS, PeakMemory
from greenbench.records.reader import FIELDS, FRACTION, JOULES, PERCENT, VALUES, Reader, places_of
from greenbench.records.record import Record, TechniqueFacts, WorkloadFacts
from greenbench.records.results import Imported, Point
from greenbench.records.tidy import Row, Tidy, listed, read_tidy
from greenbench.spec.case import IMPORTED, Case
from greenbench.spec.technique import BASELINE, CATEGORIES
from greenbench.spec.workload import Metric
from greenbench.version import VERSION

UNKNOWN = "unknown"
NAME_LENGTH = 60
"""Characters of a name in the names of files."""


def read_results(path: Path, reader: Reader, session: str = "") -> list[Record]:
    """Return a record for each run of a table: each workload, technique and seed.

    A cell without a number (empty, NaN, infinite) gives a value of None with the reason. Whatever could be read in two
    ways is refused.

    Raises
    ------
    UserError
        If the table cannot be read, a column is missing, a run or an epoch stands in it twice, a cell holds a text where a
        number belongs, a value is impossible, or there is nothing to compare.
    """
    table = read_tidy(path, reader.decimal)
    places = places_of(table, reader)
    runs: dict[tuple[str, str, int], list[tuple[int, Row]]] = {}
    for row in table.rows:
        workload, technique = (_name(table, row, places[role]) for role in ("workload", "technique"))
        run = (workload or _stem(path), technique, table.whole_number(row, places["seed"][0]))
        epoch = table.whole_number(row, places["epoch"][0]) if places["epoch"] else 0
        runs.setdefault(run, []).append((epoch, row))
    _check_techniques(table, places, reader, list(dict.fromkeys(technique for _, technique, _ in runs)))
    origin = _origin(table, reader, places)
    techniques = _identifiers((technique for _, technique, _ in runs), {reader.baseline: BASELINE})
    workloads = _identifiers(workload for workload, _, _ in runs)
    scores = places["score"]
    metric = _metric(table.columns[scores[0]] if scores else "score", reader)
    epochs = _epochs_of_workloads(runs)
    started_at, commit = datetime.now(UTC).isoformat(timespec="seconds"), suite_commit()
    return [
        Record(
            case=Case(
                kind=IMPORTED,
                workload=workloads[workload],
                workload_digest="",
                scale=IMPORTED,
                setting={},
                technique=techniques[technique],
                technique_digest="",
                mode=UNKNOWN,
                seed=seed,
            ),
            machine=origin,
            engine=None,
            meter=UNKNOWN,
            session=session,
            commit=commit,
            started_at=started_at,
            seconds=None,
            technique=TechniqueFacts(
                title=technique,
                category=CATEGORIES[0] if technique == reader.baseline else IMPORTED,
                citation=table.name,
                file=table.name,
                card="",
                code="",
            ),
            workload=WorkloadFacts(workload, IMPORTED, metric, num_classes=None, image_size=None),
            result=_result(table, places, reader, sorted(rows, key=_epoch), epochs[workload]),
            memory=PeakMemory(None, PROCESS, reason="greenbench did not run it"),
        )
        for (workload, technique, seed), rows in runs.items()
    ]


def _epoch(row: tuple[int, Row]) -> int:
    return row[0]


def _stem(path: Path) -> str:
    return path.name.partition(".")[0] or path.name


def _name(table: Tidy, row: Row, places: Sequence[int]) -> str:
    return " ".join(table.text(row, place) for place in places)


def _check_techniques(
    table: Tidy, places: Mapping[str, Sequence[int]], reader: Reader, names: Sequence[str]
) -> None:
    of = f"column {' and '.join(repr(table.columns[place]) for place in places['technique'])} of {table.name}"
    if reader.baseline not in names:
        raise UserError(
            f"no row is of the baseline {reader.baseline!r}: {of} has {listed(names)}",
            "name one of them with --baseline",
        )
    if len(names) == 1:
        raise UserError(
            f"{of} has one technique, {names[0]!r}: there is nothing to compare it with",
            "name the column that tells techniques apart with --technique",
        )


def _origin(table: Tidy, reader: Reader, places: Mapping[str, Sequence[int]]) -> Elsewhere:
    read = {place for found in places.values() for place in found}
    return Elsewhere(
        table=table.name,
        sha256=table.sha256,
        rows=len(table.rows),
        columns={
            role: tuple(table.columns[place] for place in found) for role, found in places.items() if found
        },
        unread=tuple(
            name or f"column {place + 1}, which has no name"
            for place, name in enumerate(table.columns)
            if place not in read
        ),
        baseline=reader.baseline,
        score_unit=reader.score_unit,
        better=reader.better,
        energy_unit=reader.energy_unit,
        cumulative=reader.cumulative,
        greenbench=VERSION,
    )


def _metric(title: str, reader: Reader) -> Metric:
    share = reader.score_unit in (FRACTION, PERCENT)
    return Metric(
        title, title, unit="%" if share else reader.score_unit or "", better=reader.better or "higher"
    )


def _identifiers(names: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return for each name one that can stand in file names; no two have the same."""
    found = dict(known or {})
    taken = set(found.values()) | {BASELINE}
    for name in names:
        if name in found:
            continue
        plain = "+".join(_identifier(part) for part in name.split("+"))
        if len(plain) > NAME_LENGTH:
            plain = f"{plain[:NAME_LENGTH]}_{_digest(name)}"
        number, free = 2, plain
        while free in taken:
            number, free = number + 1, f"{plain}_{number}"
        taken.add(free)
        found[name] = free
    return found


def _identifier(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or _digest(text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _epochs_of_workloads(
    runs: Mapping[tuple[str, str, int], Sequence[tuple[int, Row]]],
) -> dict[str, set[int]]:
    """Return for each workload the epochs that any of its runs has."""
    found: dict[str, set[int]] = {}
    for (workload, _, _), rows in runs.items():
        found.setdefault(workload, set()).update(map(_epoch, rows))
    return found


def _result(
    table: Tidy,
    places: Mapping[str, Sequence[int]],
    reader: Reader,
    rows: Sequence[tuple[int, Row]],
    epochs: set[int],
) -> Imported:
    """Return what the rows of one run say, which are in the order of their epochs."""
    for (one, row), (other, again) in pairwise(rows):
        if one == other:
            first, second = sorted((row.line, again.line))
            raise UserError(
                f"{table.name}, lines {first} and {second} are of the same run"
                + (f" and the same epoch, {one}" if places["epoch"] else ""),
                "take one of them out, or name the column that tells them apart with --workload, --technique, --seed "
                "or --epoch (several columns are divided by commas)",
            )
    last = rows[-1][1]
    read = {
        role: _since_start(table, role, places[role][0], reader, rows, epochs)
        for role in VALUES
        if places[role]
    }
    reasons = {
        FIELDS[role]: read[role][1] if role in read else "the table has no column for it"
        for role in VALUES
        if role not in read or read[role][1]
    }
    values = {FIELDS[role]: found for role, (found, _) in read.items()}
    curve = tuple(
        Point(epoch, **{name: found[place] for name, found in values.items()})
        for place, (epoch, _) in enumerate(rows)
    )
    return Imported(
        last.line,
        **{name: found[-1] for name, found in values.items()},
        reasons=reasons,
        curve=curve if places["epoch"] else (),
    )


def _since_start(
    table: Tidy,
    role: str,
    place: int,
    reader: Reader,
    rows: Sequence[tuple[int, Row]],
    epochs: set[int],
) -> tuple[list[float | None], str]:
    """Return one value for each epoch of a run, and why the last one is None where it is.

    Scores are as they are. All else is what was spent since the start of the run: it is added up, unless the table has
    done so. A sum ends where a row or a number is missing.
    """
    spent = role != "score"
    adds_up = spent and role != "steps" and not reader.cumulative
    lost = min(epochs.difference(map(_epoch, rows)), default=None) if adds_up else None
    found: list[float | None] = []
    before, reason = 0.0, ""
    for epoch, row in rows:
        value = _value(table, row, place, role, reader)
        if adds_up and reason:
            value = None
        elif adds_up and lost is not None and lost < epoch:
            value, reason = None, f"epoch {lost} has no row before line {row.line}"
        else:
            reason = "" if value is not None else table.why_no_number(row, place)
        if value is not None and adds_up:
            value += before
        if value is not None and spent:
            if value < before:
                raise table.fault(
                    row,
                    place,
                    f"less than {before:g} in an epoch before it",
                    "give what was spent since the start of the run"
                    + (", or leave --cumulative out" if reader.cumulative else ""),
                )
            before = value
        found.append(value)
    return found, reason


def _value(table: Tidy, row: Row, place: int, role: str, reader: Reader) -> float | None:
    """Return a cell's number in the unit of records."""
    value = table.number(row, place)
    if value is None:
        return None
    if role != "score":
        if value < 0:
            raise table.fault(
                row,
                place,
                f"{role} cannot be negative",
                "correct it, or leave the cell empty if it is not known",
            )
        return value * JOULES[reader.energy_unit or "J"] if role == "energy" else value
    if reader.score_unit not in (FRACTION, PERCENT):
        return value
    most = 1 if reader.score_unit == FRACTION else 100
    if not 0 <= value <= most:
        raise table.fault(
            row,
            place,
            f"allowed is 0 to {most} for a score in the unit {reader.score_unit!r}",
            f"correct it, or give --score-unit {PERCENT if most == 1 else 'with the name of another unit'}",
        )
    return value / most
