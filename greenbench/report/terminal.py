"""The report in short, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import zip_longest

from tabulate import tabulate

from greenbench.report.conditions import earlier_lines
from greenbench.report.content import Content
from greenbench.report.escape import first_of, one_line, shortened
from greenbench.report.table import FIXED_COLUMNS, Cell, Table

WIDTH = 80
TABLES_SHOWN = 40
LINES_SHOWN = 20
"""Of failures, of findings, and of files left out each."""

CELL_WIDTH = 16
HEADING_WIDTH = 12
LABEL_WIDTHS = range(24, 11, -2)
"""Characters of a technique's title, tried from left to right."""


def summarize(content: Content, width: int = WIDTH) -> list[str]:
    """Return lines, none wider than `width`: the first tables, then what failed, does not fit, or was left out."""
    lines: list[str] = []
    shown = 0
    for part in content.parts:
        for text in (part.section.heading, *earlier_lines(part.section)):
            lines += _wrapped(text, width)
        lines.append("")
        tables = part.tables[: max(0, TABLES_SHOWN - shown)]
        shown += len(tables)
        for table in tables:
            lines += [*render_table(table, width), ""]
        if more := len(part.tables) - len(tables):
            lines += [f"{more} more tables are in the report alone", ""]
    for texts in (
        (f"failed: {line}" for line in content.failures),
        (f"not applicable: {line}" for line in content.skipped),
        (f"audit: {one.rule} ({one.severity}): {one.conclusion}" for one in content.findings),
        (f"left out: {file.path.name}: {file.reason}" for file in content.left_out),
    ):
        lines += (
            line for text in first_of(texts, LINES_SHOWN, "report.md") for line in _wrapped(text, width)
        )
    return lines


def render_table(table: Table, width: int = WIDTH) -> list[str]:
    """Return a table's lines.

    Where it is too wide, titles are cut first, then intervals are left out, then columns from the right. A record is
    named by its key.
    """
    title = _wrapped(table.title, width)
    for interval in (True, False):
        for label_width in LABEL_WIDTHS:
            lines = _lines(table, len(table.columns), label_width, width, interval=interval)
            if max(map(len, lines)) <= width:
                return [*title, *lines]
    for columns in range(len(table.columns) - 1, -1, -1):
        lines = _lines(table, columns, LABEL_WIDTHS[-1], width, interval=False)
        if max(map(len, lines)) <= width:
            break
    return [*title, *lines, *_wrapped(f"in the report alone: {', '.join(table.columns[columns:])}", width)]


def _lines(table: Table, columns: int, label_width: int, width: int, *, interval: bool) -> list[str]:
    first, runs, last = FIXED_COLUMNS
    headings = (
        [[text] for text in (first, runs)] + [_heading(text) for text in table.columns[:columns]] + [[last]]
    )
    rows = [list(line) for line in zip_longest(*headings, fillvalue="")]
    for row in table.rows:
        values = [_cell(cell, interval=interval) for cell in row.cells[:columns]]
        rows.append(
            [
                shortened(one_line(row.label), label_width),
                str(row.n),
                *(values or [""] * columns),
                row.records[0].key,
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(-len(table.rows), ["-" * size for size in widths])
    align = ["left", *["right"] * (columns + 1), "left"]
    lines = tabulate(rows, tablefmt="plain", colalign=align, disable_numparse=True).splitlines()
    place = widths[0] + widths[1] + 4
    for number, row in enumerate(table.rows, start=len(lines) - len(table.rows)):
        if row.failure:  # the error takes the place of the values and of the key
            lines[number] = lines[number][:place] + shortened(one_line(row.failure), width - place)
    return [line.rstrip() for line in lines]


def _heading(text: str) -> list[str]:
    """Write a heading in lines of one word each."""
    return [shortened(word, HEADING_WIDTH) for word in one_line(text).split()] or [""]


def _cell(cell: Cell, *, interval: bool) -> str:
    return shortened(one_line(cell.text(interval=interval)), CELL_WIDTH) + (" ★" if cell.star else "")


def _wrapped(text: str, width: int) -> Iterator[str]:
    return iter(textwrap.wrap(one_line(text), width, subsequent_indent="  "))
