"""The report as Markdown. Every text from a record is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from greenbench.report.cards import Card
from greenbench.report.conditions import condition_lines
from greenbench.report.content import Content, Part, audit_lines, left_out_lines
from greenbench.report.escape import card, in_html, link, markdown, shortened
from greenbench.report.figures.figure import FOLDER, Figure
from greenbench.report.legend import IN_SHORT, LEGEND, NOTHING_FOUND
from greenbench.report.table import FIXED_COLUMNS, Cell, Row, Table

FAILURE_WIDTH = 80
"""Characters of an error in a table; the list of failed cases has all of it."""

HOW_TO_READ = "How to read this report"


def render(content: Content) -> str:
    """Return the whole report."""
    blocks = [
        "# greenbench report",
        f"{IN_SHORT} All of it: [{HOW_TO_READ}](#{HOW_TO_READ.lower().replace(' ', '-')}).",
    ]
    for part in content.parts:
        blocks += _part(part)
    if content.failures:
        blocks += ["## Failed cases", _list(content.failures)]
    if content.skipped:
        blocks += ["## Not applicable", _list(content.skipped)]
    blocks += ["## Audit", _list(audit_lines(content)) or NOTHING_FOUND]
    if content.left_out:
        blocks += ["## Files left out", _list(left_out_lines(content))]
    for table in content.simplicity:
        blocks += render_table(table, table.footnotes, "##")
    blocks += [f"## {HOW_TO_READ}", LEGEND]
    for heading, cards in content.cards.items():
        if cards:
            blocks += [f"## {heading} cards", *map(_card, cards)]
    return "\n\n".join(blocks) + "\n"


def render_table(table: Table, footnotes: Sequence[str] = (), level: str = "###") -> list[str]:
    """Return the blocks of one table: heading, rows with links to their records, and footnotes."""
    rows = [[*_row(row, len(table.columns)), _links(row)] for row in table.rows]
    first, runs, last = FIXED_COLUMNS
    text = _rows([first, runs, *table.columns, last], rows)
    return [f"{level} {markdown(table.title)}", text, *([_list(footnotes)] if footnotes else [])]


def render_short(table: Table) -> list[str]:
    """Return the blocks of one table without links, for where its records are not."""
    headings = [*FIXED_COLUMNS[:2], *table.columns]
    return [
        f"**{markdown(table.title)}**",
        _rows(headings, [_row(row, len(table.columns)) for row in table.rows]),
    ]


def _rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = ["left", *["right"] * (len(headings) - 1)]
    if headings[-1] == FIXED_COLUMNS[2]:
        align[-1] = "left"
    return tabulate(
        rows, [markdown(text) for text in headings], tablefmt="pipe", colalign=align, disable_numparse=True
    )


def _part(part: Part) -> list[str]:
    """Return a section: what pays, with its picture, and then the details."""
    first, others = part.figures[:1], part.figures[1:]
    blocks = [f"## {markdown(part.section.heading)}"]
    common = part.common_notes
    for table in part.pays:
        blocks += render_table(table, [note for note in table.footnotes if note not in common])
    for figure in first:
        blocks += _figure(figure)
    blocks += ["### Conditions", _list(condition_lines(part.section))]
    for table in part.details:
        blocks += render_table(table, [note for note in table.footnotes if note not in common])
    if common:
        blocks += ["### Notes on several of these tables", _list(common)]
    for figure in others:
        blocks += _figure(figure)
    return blocks


def _figure(figure: Figure) -> list[str]:
    return [
        f"### {markdown(figure.title)}",
        f"![{markdown(figure.title)}]({FOLDER}/{figure.name}.svg)",
        markdown(figure.caption),
    ]


def _row(row: Row, columns: int) -> list[str]:
    if row.failure:
        texts = [markdown(shortened(row.failure, FAILURE_WIDTH)), *[""] * (columns - 1)]
    else:
        texts = [_cell(cell) for cell in row.cells]
    return [markdown(row.label), str(row.n), *texts]


def _links(row: Row) -> str:
    return " ".join(link(str(record.case.seed), record.file_name) for record in row.records)


def _cell(cell: Cell) -> str:
    text = markdown(cell.text())
    text = f"**{text}**" if cell.bold else text
    return f"{text} ★" if cell.star else text


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {markdown(line)}" for line in lines)


def _card(of: Card) -> str:
    parts = [
        f"<details><summary>{in_html(of.title)}</summary>",
        card(of.text),
        *map(markdown, of.facts),
        "</details>",
    ]
    return "\n\n".join(part for part in parts if part)
