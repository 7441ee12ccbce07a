"""All that a report says, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenbench.audit.findings import Finding
from greenbench.energy.carbon import CarbonIntensity
from greenbench.paper.audit import audit_records
from greenbench.records.folder import Unreadable
from greenbench.records.record import Record
from greenbench.report.cards import Card, method_cards, workload_cards
from greenbench.report.figures import section_figures
from greenbench.report.figures.figure import Figure, numbered
from greenbench.report.notes import failure_lines, skip_lines
from greenbench.report.pays import pays_table
from greenbench.report.sections import Section, split_into_sections
from greenbench.report.simplicity import simplicity_table
from greenbench.report.stacks import stack_tables
from greenbench.report.table import Table, section_tables
from greenbench.report.to_target import target_tables
from greenbench.verdict.verdict import Verdict


@dataclass(frozen=True)
class Part:
    """A section with its tables and figures.

    Attributes
    ----------
    pays
        The tables that say which techniques pay: one, or none without verdicts on a score.
    details
        All others.
    """

    section: Section
    pays: tuple[Table, ...]
    details: tuple[Table, ...]
    figures: tuple[Figure, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them, in turn."""
        return (*self.pays, *self.details)

    @property
    def common_notes(self) -> list[str]:
        """Footnotes that several tables have, which stand once."""
        uses = Counter(note for table in self.tables for note in table.footnotes)
        return [note for note, count in uses.items() if count > 1]


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
    intensity
        Of the electricity, for CO2.
    simplicity
        How much of itself a technique brings: one table, or none.
    cards
        By what they are of.
    """

    parts: tuple[Part, ...]
    failures: tuple[str, ...]
    skipped: tuple[str, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[Unreadable, ...]
    intensity: CarbonIntensity
    simplicity: tuple[Table, ...]
    cards: Mapping[str, Sequence[Card]]

    @property
    def sections(self) -> list[Section]:
        """What was measured on one machine each."""
        return [part.section for part in self.parts]

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts."""
        return [verdict for section in self.sections for found in section.sets for verdict in found.verdicts]

    @property
    def records(self) -> list[Record]:
        """All records that tables show."""
        return [record for section in self.sections for record in section.records]


def collect(records: Sequence[Record], left_out: Sequence[Unreadable], intensity: CarbonIntensity) -> Content:
    """Return what a report says of some records."""
    sections = split_into_sections(records)
    audited = audit_records([record for record in records if record.sound], left_out)
    skipped = [record for section in sections for found in section.sets for record in found.skipped]
    return Content(
        parts=tuple(
            Part(
                section,
                tuple(pays_table(section, intensity)),
                (*section_tables(section, intensity), *target_tables(section), *stack_tables(section)),
                tuple(numbered(section_figures(section, intensity), number)),
            )
            for number, section in enumerate(sections, start=1)
        ),
        failures=tuple(line for section in sections for line in failure_lines(section.records)),
        skipped=tuple(skip_lines(skipped)),
        findings=tuple(finding for rule in audited for finding in rule.findings),
        left_out=tuple(left_out),
        intensity=intensity,
        simplicity=tuple(simplicity_table(sections)),
        cards={"Method": [*method_cards(sections)], "Workload": [*workload_cards(sections)]},
    )


def audit_lines(content: Content) -> list[str]:
    """Return the findings of the audit in words."""
    return [
        f"{finding.rule} ({finding.severity}): {finding.conclusion} {'; '.join(finding.arithmetic)}; bound: "
        f"{finding.bound}. Cells: {', '.join(finding.cells)}."
        for finding in content.findings
    ]


def left_out_lines(content: Content) -> list[str]:
    """Return the files that are no sound records, and why."""
    return [f"{file.path.name}: {file.reason}" for file in content.left_out]
