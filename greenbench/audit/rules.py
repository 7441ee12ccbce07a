"""Runs the audit's rules over any entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from greenbench.audit import counting_rules, inference_rules, training_rules
from greenbench.audit.entries import Entry
from greenbench.audit.findings import Finding, Rule, Severity


def zero_is_no_measurement(entries: tuple[Entry, ...]) -> list[Finding]:
    """Zero joules, seconds or parameters are what a failed measurement looks like."""
    findings = []
    for entry in entries:
        zeros = entry.zeros().values()
        if zeros:
            findings.append(
                Finding(
                    rule="zero_is_no_measurement",
                    severity=Severity.IMPOSSIBLE,
                    cells=tuple(zero.where for zero in zeros),
                    arithmetic=tuple(f"{zero.where}: {zero.text}" for zero in zeros),
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

    Zeros are reported and then left out: nothing can be calculated with them.
    """
    rows = tuple(entries)
    sound = tuple(entry.without_zeros() for entry in rows)
    outcomes = []
    for rule in RULES:
        applicable = rule.applicable(rows if rule is ZERO_RULE else sound)
        judged = sum(1 for entry in applicable if rule.about(entry))
        outcomes.append(Checked(rule.name, rule.question, judged, tuple(rule.judge(applicable))))
    return tuple(outcomes)
