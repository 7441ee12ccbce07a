"""Runs the audit's rules over the published tables, or over any entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from greenbench.paper import counting_rules, inference_rules, training_rules
from greenbench.paper.cells import Cell, published_cells
from greenbench.audit.entries import Entry, published_entries
from greenbench.audit.findings import Finding, Rule, Verdict
from greenbench.paper.claims import CLAIMS, RULE, text_against_tables


def zero_is_no_measurement(entries: tuple[Entry, ...]) -> list[Finding]:
    """Zero joules, seconds or parameters are what a failed measurement looks like."""
    findings = []
    for entry in entries:
        zeros = entry.zeros().values()
        if zeros:
            findings.append(
                Finding(
                    rule="zero_is_no_measurement",
                    verdict=Verdict.IMPOSSIBLE,
                    cells=tuple(f.where for f in zeros),
                    arithmetic=tuple(f"{f.where}: {f.text}" for f in zeros),
                    bound="above 0",
                    conclusion=f"{entry.name}: nothing was measured; say so with None and a reason",
                )
            )
    return findings


ZERO_RULE = Rule(
    "zero_is_no_measurement", "Is everything that is claimed above zero?", (), zero_is_no_measurement
)
RULES: tuple[Rule, ...] = (
    ZERO_RULE,
    *inference_rules.RULES,
    *counting_rules.RULES,
    *training_rules.RULES,
)


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
    """Apply every rule to the entries that have what it needs.

    Zeros are reported and then left out: they are no figures to calculate with.
    """
    rows = tuple(entries)
    sound = tuple(entry.without_zeros() for entry in rows)
    outcomes = []
    for rule in RULES:
        applicable = rule.applicable(rows if rule is ZERO_RULE else sound)
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
