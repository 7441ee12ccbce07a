"""All that a report says, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from greenbench.audit.findings import Finding
from greenbench.energy.carbon import CarbonIntensity
from greenbench.paper.audit import audit_records
from greenbench.records.folder import Unreadable
from greenbench.records.record import Record
from greenbench.report.notes import failure_lines, skip_lines
from greenbench.report.pays import pays_table
from greenbench.report.sections import Section, split_into_sections
from greenbench.report.stacks import stack_tables
from greenbench.report.table import Table, section_tables
from greenbench.report.to_target import target_tables
from greenbench.verdict.verdict import Verdict


@dataclass(frozen=True)
class Part:
    """A section with its tables."""

    section: Section
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Content:
    """A report before it is written.

    Attributes
    ----------
    parts
        Its sections.
    failures
        One line for each failed case.
    skipped
        One line for each technique and workload that it does not apply to.
    findings
        Of the audit.
    left_out
        Files that are no sound records, and why.
    """

    parts: tuple[Part, ...]
    failures: tuple[str, ...]
    skipped: tuple[str, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[Unreadable, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts."""
        return [verdict for part in self.parts for found in part.section.sets for verdict in found.verdicts]


def collect(records: Sequence[Record], left_out: Sequence[Unreadable], intensity: CarbonIntensity) -> Content:
    """Return what a report says of some records."""
    sections = split_into_sections(records)
    audited = audit_records([record for record in records if record.sound], left_out)
    skipped = [record for section in sections for found in section.sets for record in found.skipped]
    return Content(
        parts=tuple(
            Part(
                section,
                (
                    *pays_table(section),
                    *section_tables(section, intensity),
                    *target_tables(section),
                    *stack_tables(section),
                ),
            )
            for section in sections
        ),
        failures=tuple(line for section in sections for line in failure_lines(section.records)),
        skipped=tuple(skip_lines(skipped)),
        findings=tuple(finding for rule in audited for finding in rule.findings),
        left_out=tuple(left_out),
    )
