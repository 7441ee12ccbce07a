"""The report as Markdown. Every text from a record is escaped here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from greenbench.audit.findings import Finding
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import Machine
from greenbench.report.cards import method_cards, workload_cards
from greenbench.report.content import Content, Part
from greenbench.report.elsewhere import remarks, source_lines
from greenbench.report.escape import link, markdown, shortened
from greenbench.report.sections import Section
from greenbench.report.simplicity import simplicity
from greenbench.report.table import FIXED_COLUMNS, Cell, Row, Table
from greenbench.verdict.margins import load_margins
from greenbench.verdict.verdict import LEVEL

FAILURE_WIDTH = 80
"""Characters of an error in a table; the list of failed cases has all of it."""

MARGINS = load_margins()

LEGEND = f"""\
Scores are those after the last epoch, on validation images and on as many training images. n is the number of runs, \
each with its own seed. ± is half of a 95 % interval: of the mean over the runs, or, with one run, of its repeated \
measurements or its energy reading. – was not measured.

A verdict compares runs with those of the baseline that have the same seeds: scores by their difference, costs by the \
logarithm of their ratio. Better and worse are claims that chance makes in at most {100 * LEVEL:g} % of studies, however \
many techniques, workloads and quantities are compared. The same means: shown, as surely, to differ by less than \
{MARGINS.score_points:g} point of a score in percent, {MARGINS.score_percent:g} % of another score or \
{MARGINS.cost_percent:g} % of a cost. All else is undecided. Beside a verdict stands the difference, in points where scores are in percent, with its 95 % \
interval, taken alone. One run gives no verdict, except on what is counted. **Bold**: better than the baseline, or the same. ★: the \
best of the values in a column that are better. CO₂ has no verdict of its own.

A technique that leaves the network alone has no inference of its own."""

FIGURE_LEGEND = (
    "Blue is better than the baseline, orange worse, gray the same or undecided. Lines are 95 % intervals. A bar "
    "that is cut off has its value printed on it; – was not measured."
)
COURSES_LEGEND = (
    "Points are means over the runs after each evaluated epoch. Dashed lines are the targets of the tables."
)


class Figures(NamedTuple):
    """The files of a section's figures; None for one that there is nothing for."""

    gain_and_cost: Path | None = None
    courses: Path | None = None


def render(content: Content, figures: Sequence[Figures]) -> str:
    """Return the whole report; `figures` are those of its sections."""
    blocks = ["# greenbench report", LEGEND]
    for part, drawn in zip(content.parts, figures, strict=True):
        blocks += _part(part, drawn)
    if content.failures:
        blocks += ["## Failed cases", _list(content.failures)]
    if content.skipped:
        blocks += ["## Not applicable", _list(content.skipped)]
    blocks += ["## Audit", _audit(content.findings)]
    if content.left_out:
        blocks += [
            "## Files left out",
            _list(f"{file.path.name}: {file.reason}" for file in content.left_out),
        ]
    sections = [part.section for part in content.parts]
    blocks += simplicity(sections)
    for heading, cards in (("Method", method_cards), ("Workload", workload_cards)):
        if found := list(cards(sections)):
            blocks += [f"## {heading} cards", *found]
    return "\n\n".join(blocks) + "\n"


def render_table(table: Table, footnotes: Sequence[str] = ()) -> list[str]:
    """Return the blocks of one table: heading, rows, and footnotes."""
    headings = [FIXED_COLUMNS[0], FIXED_COLUMNS[1], *table.columns, FIXED_COLUMNS[2]]
    rows = [_row(row, len(table.columns)) for row in table.rows]
    align = ["left", *["right"] * (len(table.columns) + 1), "left"]
    text = tabulate(
        rows, [markdown(text) for text in headings], tablefmt="pipe", colalign=align, disable_numparse=True
    )
    return [f"### {markdown(table.title)}", text, *([_list(footnotes)] if footnotes else [])]


def _part(part: Part, drawn: Figures) -> list[str]:
    """Return a section; a footnote that several of its tables have stands once, at its end."""
    blocks = [f"## {markdown(part.section.heading)}", _list(_conditions(part.section))]
    uses = Counter(note for table in part.tables for note in table.footnotes)
    for table in part.tables:
        blocks += render_table(table, [note for note in table.footnotes if uses[note] == 1])
    if common := [note for note, count in uses.items() if count > 1]:
        blocks += ["### Notes on several of these tables", _list(common)]
    if drawn.gain_and_cost:
        blocks += [
            "### Gain and cost against the baseline",
            f"![Gain and cost of each technique against the baseline]({drawn.gain_and_cost.name})",
            FIGURE_LEGEND,
        ]
    if drawn.courses:
        blocks += [
            "### Score against what was spent",
            f"![Score of each technique against what was spent until then]({drawn.courses.name})",
            COURSES_LEGEND,
        ]
    return blocks


def _conditions(section: Section) -> list[str]:
    machine, records = section.machine, section.records
    if isinstance(machine, Elsewhere):
        return [*source_lines(machine, records), *remarks(machine, records)]
    seeds = sorted({record.case.seed for record in records})
    commits = sorted({record.commit or "installed package" for record in records})
    lines = [
        f"Machine: {_describe(machine)}",
        f"Software: torch {machine.torch}, torchvision {machine.torchvision}, Python {machine.python}",
        f"Suite: greenbench {machine.greenbench}, {', '.join(commits)}",
        f"Scale: {section.scale}; numerical mode: {section.mode}; seeds: {', '.join(map(str, seeds))}",
    ]
    if machine.workers > 1:
        lines.append(
            f"Disturbed: {machine.workers} processes measured side by side, so times are not comparable"
        )
    return lines


def _describe(machine: Machine) -> str:
    cpu = f"{machine.cpu} ({machine.cpu_threads} threads)"
    if machine.gpu is None:
        return f"{cpu}, no GPU"
    return f"{machine.gpu} ({machine.gpu_uuid}, driver {machine.driver or 'unknown'}), {cpu}"


def _row(row: Row, columns: int) -> list[str]:
    if row.failure:
        texts = [markdown(shortened(row.failure, FAILURE_WIDTH)), *[""] * (columns - 1)]
    else:
        texts = [_cell(cell) for cell in row.cells]
    links = " ".join(link(str(record.case.seed), record.file_name) for record in row.records)
    return [markdown(row.label), str(row.n), *texts, links]


def _cell(cell: Cell) -> str:
    text = markdown(cell.text())
    text = f"**{text}**" if cell.bold else text
    return f"{text} ★" if cell.star else text


def _audit(findings: Sequence[Finding]) -> str:
    if not findings:
        return "The audit found no impossible values."
    return _list(
        f"{finding.rule} ({finding.severity}): {finding.conclusion} {'; '.join(finding.arithmetic)}; bound: "
        f"{finding.bound}. Cells: {', '.join(finding.cells)}."
        for finding in findings
    )


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {markdown(line)}" for line in lines)
