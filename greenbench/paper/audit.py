"""Runs the audit's rules over the published tables, or over any entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from greenbench.paper import inference_rules, training_rules
from greenbench.paper.cells import Cell, published_cells
from greenbench.paper.entries import Entry, published_entries
from greenbench.paper.findings import Finding, Rule
from greenbench.paper.text_claims import CLAIMS, RULE, text_against_tables

RULES: tuple[Rule, ...] = (*inference_rules.RULES, *training_rules.RULES)


@dataclass(frozen=True)
class Checked:
    """One rule's outcome.

    Attributes
    ----------
    rule, question
        Which one.
    checked
        Rows (or claims of the text) that it could judge; 0 means that it said nothing.
    findings
        What it found.
    """

    rule: str
    question: str
    checked: int
    findings: tuple[Finding, ...]


def audit_entries(entries: Iterable[Entry]) -> tuple[Checked, ...]:
    """Apply every rule to the entries that have what it needs."""
    rows = tuple(entries)
    outcomes = []
    for rule in RULES:
        applicable = rule.applicable(rows)
        judged = sum(1 for entry in applicable if rule.about(entry))
        outcomes.append(Checked(rule.name, rule.question, judged, tuple(rule.judge(applicable))))
    return tuple(outcomes)


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
