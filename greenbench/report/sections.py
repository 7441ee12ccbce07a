"""Which records stand together: sections by machine, scale and mode, in them the sets that may be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from greenbench.records.conditions import conditions, newest, newest_first, same_conditions
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import Machine
from greenbench.records.record import Record
from greenbench.spec.case import IMPORTED, KINDS
from greenbench.spec.technique import BASELINE, CATEGORIES
from greenbench.verdict.to_target import ToTarget, to_targets
from greenbench.verdict.verdict import Verdict, judge

WORDS = {
    "engine": "code version",
    "meter": "energy source",
    "workload_digest": "version of the workload's file",
    "data.version": "data version",
    "data.weights": "first weights",
    "undisturbed": "undisturbed",
}
"""How a caption calls the conditions; the others go by their own names."""

DIGEST_LENGTH = 12
_DIGEST = re.compile(r"[0-9a-z+]{40,}")

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class ComparableSet:
    """Records of one kind on one workload that may be compared, and what belongs beside them.

    Attributes
    ----------
    records
        The newest of each case that gave a result, and of the newest version of each technique.
    failed
        Those that gave none, likewise.
    skipped
        Those of techniques that had nothing to do, likewise.
    older
        Number of records that were left out because a newer one of the same case is there.
    versions
        Records that were left out because they measured an older version of a technique.
    caption
        How this set differs from the others of the same kind and workload; empty where it is the only one.
    verdicts
        On `records`.
    targets
        What it cost them to reach a score.
    """

    records: tuple[Record, ...]
    failed: tuple[Record, ...] = ()
    skipped: tuple[Record, ...] = ()
    older: int = 0
    versions: tuple[Record, ...] = ()
    caption: str = ""
    verdicts: tuple[Verdict, ...] = ()
    targets: tuple[ToTarget, ...] = ()

    @property
    def difference(self) -> str:
        """The caption in parentheses, to stand behind a title; empty without one."""
        return f" ({self.caption})" if self.caption else ""

    @property
    def all(self) -> tuple[Record, ...]:
        """The records that tables show, with and without a result."""
        return (*self.records, *self.failed)


@dataclass(frozen=True)
class Section:
    """What was measured on one machine, at one scale, in one mode, or what one table says.

    `sets` are ordered by workload and kind.
    """

    heading: str
    machine: Machine | Elsewhere
    scale: str
    mode: str
    sets: tuple[ComparableSet, ...]

    @property
    def records(self) -> list[Record]:
        """All records that tables show."""
        return [record for found in self.sets for record in found.all]


def split_into_sections(records: Sequence[Record]) -> list[Section]:
    """Split records into sections, in a fixed order."""
    split = _grouped(records, lambda record: (record.case.scale, record.case.mode, record.machine.key))
    sections = []
    for (scale, mode, _), members in sorted(split.items()):
        by_workload = _grouped(members, _place)
        sets = [found for place in sorted(by_workload) for found in _sets(by_workload[place])]
        judged = judge([found.records for found in sets])
        sets = [replace(found, verdicts=tuple(ones)) for found, ones in zip(sets, judged, strict=True)]
        machine = members[0].machine
        sections.append(Section(_heading(scale, mode, machine), machine, scale, mode, tuple(sets)))
    return _told_apart(sections)


def row_order(record: Record) -> tuple[bool, int, str]:
    """Order techniques: the baseline, then by category and name."""
    category, name = record.technique.category, record.case.technique
    place = CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES)
    return name != BASELINE, place, name


def distinct(titles: Mapping[str, str]) -> dict[str, str]:
    """Return titles by name, with the name behind those that several have."""
    seen = list(titles.values())
    return {name: f"{title} ({name})" if seen.count(title) > 1 else title for name, title in titles.items()}


def _heading(scale: str, mode: str, machine: Machine | Elsewhere) -> str:
    if isinstance(machine, Elsewhere):
        return f"imported from {machine.table}"
    return f"{scale}, mode {mode}, on {machine.gpu or machine.cpu}"


def _place(record: Record) -> tuple[str, str, int]:
    return record.workload.task, record.case.workload, (*KINDS, IMPORTED).index(record.case.kind)


def _sets(records: Sequence[Record]) -> list[ComparableSet]:
    """Split the records of one kind, workload, machine and scale into comparable sets, the newest first."""
    groups = same_conditions(newest_first([record for record in records if record.sound]))
    stray = []
    for record in newest_first([record for record in records if not record.sound]):
        home = next((group for group in groups if _without_data(group[0]) == _without_data(record)), None)
        if home is None:
            stray.append(record)
        else:
            home.append(record)
    groups += same_conditions(stray)
    captions = [""] if len(groups) == 1 else _differences([conditions(group[0]) for group in groups])
    return [replace(_selected(group), caption=text) for group, text in zip(groups, captions, strict=True)]


def _without_data(record: Record) -> dict[str, Any]:
    """Return what a run without a result, which may not have come to the data, shares with its table."""
    known = conditions(record)
    return {
        name: value for name, value in known.items() if not name.startswith("data.") and name != "undisturbed"
    }


def _selected(records: Sequence[Record]) -> ComparableSet:
    counting, versions = newest(records)
    chosen = sorted(counting, key=lambda record: (row_order(record), record.case.seed))
    sound = tuple(record for record in chosen if record.sound)
    return ComparableSet(
        records=sound,
        failed=tuple(record for record in chosen if record.failed),
        skipped=tuple(record for record in chosen if record.skipped),
        targets=tuple(to_targets(sound)),
        older=len(records) - len(versions) - len(chosen),
        versions=tuple(versions),
    )


def _told_apart(sections: Sequence[Section]) -> list[Section]:
    """Add to equal headings how their machines differ."""
    result = []
    for section in sections:
        alike = [other for other in sections if other.heading == section.heading]
        facts = [asdict(other.machine) for other in alike]
        ours = _differences(facts)[alike.index(section)] if len(alike) > 1 else ""
        result.append(replace(section, heading=f"{section.heading} ({ours})") if ours else section)
    return result


def _differences(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say of each what it has that not all others have."""
    names = dict.fromkeys(name for one in facts for name in one)
    differing = [name for name in names if len({json.dumps(one.get(name)) for one in facts}) > 1]
    return [", ".join(f"{_word(name)} {say(one.get(name))}" for name in differing) for one in facts]


def _word(name: str) -> str:
    return WORDS.get(name, name.removeprefix("setting.").replace("_", " "))


def say(value: Any) -> str:
    """Write a setting or a condition in words; digests are cut short."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{_word(str(name))} {say(part)}" for name, part in value.items()) or "as it is"
    if isinstance(value, list | tuple):
        return " x ".join(say(part) for part in value)
    if isinstance(value, float):
        return f"{value:g}"
    return value[:DIGEST_LENGTH] if isinstance(value, str) and _DIGEST.fullmatch(value) else str(value)


def _grouped(records: Sequence[Record], key: Callable[[Record], _Key]) -> dict[_Key, list[Record]]:
    found: dict[_Key, list[Record]] = {}
    for record in records:
        found.setdefault(key(record), []).append(record)
    return found
