"""Cards of methods and workloads, for the end of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from greenbench.records.conditions import newest_first
from greenbench.records.record import Record
from greenbench.report.sections import DIGEST_LENGTH, Section, row_order, say
from greenbench.spec.case import IMPORTED

_Identity = tuple[str, str]
"""A name, and the digest of its file."""


@dataclass(frozen=True)
class Card:
    """A title, the text in Markdown that its author wrote, and lines of facts."""

    title: str
    text: str
    facts: tuple[str, ...]


def method_cards(sections: Sequence[Section]) -> Iterator[Card]:
    """Return the card of each technique; of each version where a report has several."""
    found = _by_identity(sections, lambda record: (record.case.technique, record.case.technique_digest))
    for identity in sorted(found, key=lambda identity: (row_order(found[identity][0]), identity)):
        facts = found[identity][0].technique
        changed = ", ".join(facts.changed_fields) or "nothing"
        yield Card(
            _title(facts.title, identity, found),
            facts.card,
            (f"{facts.category}. {facts.citation}. Changes: {changed}. File: {facts.file}.",),
        )


def workload_cards(sections: Sequence[Section]) -> Iterator[Card]:
    """Return the card of each workload, with its data and settings."""
    found = _by_identity(sections, lambda record: (record.case.workload, record.case.workload_digest))
    for identity in sorted(found):
        records = found[identity]
        facts = records[0].workload
        lines = (
            f"Task: {facts.task}. Score: {facts.metric.title}, {facts.metric.better} is better."
            + (f" Classes: {facts.num_classes}." if facts.num_classes else "")
            + (f" Images: {say(facts.image_size)} pixels." if facts.image_size else ""),
            *_data(records),
            *_settings(records),
        )
        yield Card(_title(facts.title, identity, found), facts.card, lines)


def _by_identity(
    sections: Sequence[Section], identity: Callable[[Record], _Identity]
) -> dict[_Identity, list[Record]]:
    """Return all records that count by what they share, the newest first; a table made elsewhere describes nothing."""
    found: dict[_Identity, list[Record]] = {}
    records = [record for section in sections for record in section.records]
    for record in newest_first([record for record in records if record.case.kind != IMPORTED]):
        found.setdefault(identity(record), []).append(record)
    return found


def _title(title: str, identity: _Identity, found: dict[_Identity, list[Record]]) -> str:
    name, digest = identity
    several = sum(other == name for other, _ in found) > 1
    return f"{title} (version {digest[:DIGEST_LENGTH] or 'unknown'})" if several else title


def _data(records: Sequence[Record]) -> list[str]:
    lines = {
        f"Data version {facts.version}: {facts.train_images or 'unknown'} training images, "
        f"{facts.validation_images or 'unknown'} validation images"
        f"{'' if facts.partial is None else f' (partial: {facts.partial})'}"
        f"{'' if facts.subset is None else f' (subset: {facts.subset})'}."
        for facts in (record.workload for record in records)
        if facts.version
    }
    return sorted(lines)


def _settings(records: Sequence[Record]) -> list[str]:
    cases = {(one.case.kind, one.case.scale, repr(one.case.setting)): one.case for one in records}
    return sorted(
        {f"{case.kind.capitalize()} at scale {case.scale}: {say(case.setting)}." for case in cases.values()}
    )
