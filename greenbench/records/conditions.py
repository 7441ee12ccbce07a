"""The one rule of what may be compared: for verdicts, tables, the audit and resume alike.

Two records may be compared if they differ in technique, seed and result alone. All else is a condition.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from greenbench.errors import UserError
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import Machine
from greenbench.records.record import Record
from greenbench.spec.case import Case
from greenbench.spec.source import digest_of_folders

ENGINE = ("execute", "networks", "nn", "data")
"""The folders whose code decides what a case computes."""

UNDISTURBED = "undisturbed"
"""The condition that nobody else measured on the machine; times and energies depend on it alone."""

FREE = ("technique", "technique_digest", "seed")
"""The fields of a case in which compared records may differ."""

CODE = ("workload_digest", "engine", "machine.greenbench")
"""The conditions that say which code ran. They differ where versions of the code are compared."""


@cache
def engine_digest() -> str:
    """Return a digest of the code that runs cases."""
    home = Path(__file__).parents[1]
    return digest_of_folders(tuple(home / name for name in ENGINE))


def planned_conditions(case: Case, machine: Machine | Elsewhere, meter: str) -> dict[str, Any]:
    """Return the conditions that are known before a case is run here and now."""
    row = {name: value for name, value in _fields_of(case).items() if name not in FREE}
    settings = {f"setting.{name}": value for name, value in row.pop("setting").items()}
    return {
        **row,
        **settings,
        **{f"machine.{name}": value for name, value in _fields_of(machine).items()},
        "engine": engine_digest(),
        "meter": meter,
    }


def _fields_of(one: Case | Machine | Elsewhere) -> dict[str, Any]:
    """Return fields by name; unlike `dataclasses.asdict` without a copy, which ten thousand records would wait for."""
    return {field.name: getattr(one, field.name) for field in fields(one)}


def conditions(record: Record) -> dict[str, Any]:
    """Return all that must agree between two records that are compared."""
    return {
        **planned_conditions(record.case, record.machine, record.meter),
        "engine": record.engine,
        "data.version": record.workload.version,
        "data.weights": record.workload.weights,
        UNDISTURBED: record.disturbed is None,
    }


def version_of_code(record: Record) -> dict[str, Any]:
    """Return what says which code ran: `CODE`, and the technique's file."""
    known = conditions(record)
    return {**{name: known[name] for name in CODE}, "technique_digest": record.case.technique_digest}


def conditions_but_code(record: Record) -> dict[str, Any]:
    """Return the conditions in which runs of two versions of the code must agree."""
    return {name: value for name, value in conditions(record).items() if name not in CODE}


def key_of(agreed: Mapping[str, Any]) -> str:
    """Return conditions as a text: equal ones give equal texts."""
    return json.dumps(agreed, sort_keys=True)


def same_conditions(records: Sequence[Record]) -> list[list[Record]]:
    """Split records into lists within which all may be compared, in the order of their first members."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(key_of(conditions(record)), []).append(record)
    return list(found.values())


def newest_first(records: Sequence[Record]) -> list[Record]:
    """Sort records by their start; names of files decide between equals."""
    return sorted(records, key=lambda record: (record.started_at, record.file_name), reverse=True)


def newest(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Return which of some comparable records count, and those of older versions of a technique, the newest first.

    Of a technique that was edited between runs the newest version counts; of a case that was run twice, the newest run.
    """
    digests: dict[str, str] = {}
    counting: dict[tuple[str, int], Record] = {}
    older = []
    for record in newest_first(records):
        case = record.case
        if digests.setdefault(case.technique, case.technique_digest) == case.technique_digest:
            counting.setdefault((case.technique, case.seed), record)
        else:
            older.append(record)
    return list(counting.values()), older


def still_valid(record: Record, case: Case, machine: Machine, meter: str) -> bool:
    """Whether a record stands for what the case would give if it were run here and now."""
    planned = planned_conditions(case, machine, meter)
    known = conditions(record)
    return not record.failed and record.case == case and all(known[key] == planned[key] for key in planned)


def require_comparable(records: Sequence[Record], *, timed: bool = True) -> None:
    """Refuse to compare records under unlike conditions.

    Parameters
    ----------
    records
        What is to be compared.
    timed
        Whether times or energies are: another run beside them does not matter to scores and counts.

    Raises
    ------
    UserError
        Naming the first condition that differs, and both values.
    """
    left_out = () if timed else (UNDISTURBED,)
    first = conditions(records[0])
    for record in records[1:]:
        difference = first_difference(first, conditions(record), left_out)
        if difference is not None:
            name, ours, theirs = difference
            raise UserError(
                f"{records[0].case.id} and {record.case.id} cannot be compared: {name} is {ours!r} in one and "
                f"{theirs!r} in the other",
                "measure both again under the same conditions",
            )


def first_difference(
    one: Mapping[str, Any], other: Mapping[str, Any], left_out: Collection[str] = ()
) -> tuple[str, Any, Any] | None:
    """Return the first condition that differs, with both values, or None."""
    return next(differences(one, other, left_out), None)


def differences(
    one: Mapping[str, Any], other: Mapping[str, Any], left_out: Collection[str] = ()
) -> Iterator[tuple[str, Any, Any]]:
    """Return all conditions that differ, with both values."""
    for name in (*one, *(name for name in other if name not in one)):
        if name not in left_out and one.get(name) != other.get(name):
            yield name, one.get(name), other.get(name)
