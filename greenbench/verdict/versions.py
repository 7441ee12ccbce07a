"""What of two sets of records may be compared as two versions of the code: all else must agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenbench.records.conditions import (
    UNDISTURBED,
    conditions_but_code,
    differences,
    key_of,
    newest_first,
    version_of_code,
)
from greenbench.records.record import Record

CaseId = tuple[str, str, str]
"""Kind, workload and technique."""

LATE = ("data.version", "data.weights", "meter")
"""Conditions that a run which failed may not have come to."""


@dataclass(frozen=True)
class Meeting:
    """The runs of a technique on a workload under the same conditions, and those of an earlier version of the code.

    Attributes
    ----------
    after, before
        Sound records; before is empty where there is nothing to compare with.
    unlike
        The condition that stands in the way, in words, where it is one; empty where nothing was run before.
    code
        What differs in the code: conditions, and ``technique_digest``.
    """

    after: tuple[Record, ...]
    before: tuple[Record, ...] = ()
    unlike: str = ""
    code: tuple[str, ...] = ()


def meetings(before: Sequence[Record], after: Sequence[Record]) -> list[Meeting]:
    """Set each technique on each workload beside itself; of several versions of the code on one side the newest counts."""
    known = _sorted(before)
    return [
        _meet(ours, known.get(case, [])) for case, groups in sorted(_sorted(after).items()) for ours in groups
    ]


def lost(
    before: Sequence[Record], after: Sequence[Record], without_result: Callable[[Record], bool]
) -> list[Record]:
    """Return the records without a result of what had one before, under the same conditions as far as they are known."""
    known = {(_case(r), _early_key(r)) for r in before if not r.skipped and not without_result(r)}
    return [r for r in after if without_result(r) and (_case(r), _early_key(r)) in known]


def only_in(before: Sequence[Record], after: Sequence[Record]) -> list[str]:
    """Return the ids of what was run before and is not there after, not even failed."""
    now = {_case(record) for record in after}
    return list(
        dict.fromkeys(record.case.id for record in before if record.sound and _case(record) not in now)
    )


def in_words(difference: tuple[str, Any, Any]) -> str:
    """Say which condition differs."""
    name, before, after = difference
    return f"{name} was {before!r} and is {after!r}"


def _meet(after: tuple[Record, ...], known: Sequence[tuple[Record, ...]]) -> Meeting:
    if not known:
        return Meeting(after)
    apart = [list(differences(_fixed(before[0]), _fixed(after[0]))) for before in known]
    nearest = min(range(len(known)), key=lambda k: len(apart[k]))
    if apart[nearest]:
        return Meeting(after, unlike=in_words(apart[nearest][0]))
    before = known[nearest]
    code = tuple(name for name, _, _ in differences(version_of_code(before[0]), version_of_code(after[0])))
    return Meeting(after, before, code=code)


def _case(record: Record) -> CaseId:
    return record.case.kind, record.case.workload, record.case.technique


def _sorted(records: Sequence[Record]) -> Mapping[CaseId, list[tuple[Record, ...]]]:
    """Sort sound records by kind, workload and technique, and then by conditions; keep the newest version of the code."""
    groups: dict[CaseId, dict[str, list[Record]]] = {}
    versions: dict[tuple[CaseId, str], dict[str, Any]] = {}
    for record in newest_first([record for record in records if record.sound]):
        case, place, version = _case(record), key_of(_fixed(record)), version_of_code(record)
        if versions.setdefault((case, place), version) == version:
            groups.setdefault(case, {}).setdefault(place, []).append(record)
    return {case: [tuple(group) for group in found.values()] for case, found in groups.items()}


def _fixed(record: Record) -> dict[str, Any]:
    """Return the conditions in which versions of the code must agree; `UNDISTURBED` is asked of times alone."""
    return {name: value for name, value in conditions_but_code(record).items() if name != UNDISTURBED}


def _early_key(record: Record) -> str:
    return key_of({name: value for name, value in _fixed(record).items() if name not in LATE})
