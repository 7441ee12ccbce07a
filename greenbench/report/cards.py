"""Cards of methods and workloads at the end of the report, folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from greenbench.records.record import Record
from greenbench.report.escape import card, in_html, markdown
from greenbench.report.sections import DIGEST_LENGTH, Section, newest_first, row_order, say


def method_cards(sections: Sequence[Section]) -> Iterator[str]:
    """Return the card of every version of a technique in the report."""
    found = _newest(sections, lambda record: (record.case.technique, record.case.technique_digest))
    for record in sorted(found, key=row_order):
        facts = record.technique
        changed = ", ".join(facts.changed_fields) or "nothing"
        title = _title(facts.title, record.case.technique_digest, _others(found, record))
        yield _folded(title, facts.card, f"{facts.category}. {facts.citation}. Changes: {changed}. File: {facts.file}.")
