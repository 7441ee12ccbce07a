"""Audits the published tables, and a user's records with what is known of the study's networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from greenbench.audit.records import entries_of, impossible_records, measured_networks
from greenbench.audit.rules import Checked, audit_entries
from greenbench.paper.cells import Cell, published_cells
from greenbench.paper.claims import CLAIMS, RULE, text_against_tables
from greenbench.paper.entries import published_entries, with_published_counts
from greenbench.records.folder import Unreadable
from greenbench.records.record import Record


def audit_tables(cells: Iterable[Cell] | None = None) -> tuple[Checked, ...]:
    """Audit the published tables, or other cells in their form: all rules, and the text's claims."""
    table = published_cells() if cells is None else tuple(cells)
    text = Checked(
        RULE,
        "Does the text say what the tables say?",
        len(CLAIMS),
        tuple(text_against_tables(table)),
    )
    return (*audit_entries(published_entries(table)), text)


def audit_records(records: Sequence[Record], left_out: Sequence[Unreadable] = ()) -> tuple[Checked, ...]:
    """Apply every rule to the records, and name the impossible ones among the files that were left out.

    Each outcome says how many rows it could judge.
    """
    networks = measured_networks(records)
    checked = audit_entries(
        with_published_counts(entry, record) for record in records for entry in entries_of(record, networks)
    )
    return (impossible_records(records, left_out), *checked)
