"""The tables as LaTeX, for the package booktabs."""

from __future__ import annotations

import re

from greenbench.report.content import Content
from greenbench.report.escape import one_line
from greenbench.report.table import Cell, Row, Table

HEAD = "% Tables of a greenbench report. They need \\usepackage{booktabs}, and XeLaTeX or LuaLaTeX for letters beyond ASCII."

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "★": r"$\star$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "–": "--",
    "₂": r"$_2$",
    "†": r"$\dagger$",
    "θ": r"$\theta$",
    "⁻": r"$^-$",
    "µ": r"$\mu$",
    "…": r"\ldots{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_PATTERN = re.compile("|".join(map(re.escape, _SPECIAL)))


def render(content: Content) -> str:
    """Return the file: every table of the report, in its order."""
    blocks = [HEAD]
    for number, part in enumerate(content.parts, start=1):
        blocks.append(f"% {one_line(part.section.heading)}")
        blocks += [_table(table, f"{number}-{place}") for place, table in enumerate(part.tables, start=1)]
    return "\n\n".join(blocks) + "\n"


def text(of: str) -> str:
    """Write a text in LaTeX so that it is read as that text."""
    return _PATTERN.sub(lambda found: _SPECIAL[found[0]], one_line(of))


def _table(table: Table, label: str) -> str:
    width = len(table.columns) + 2
    lines = [
        r"\begin{table}",
        rf"\caption{{{text(table.title)}}}\label{{tab:greenbench-{label}}}",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        _line(["Method", "$n$", *map(text, table.columns)]),
        r"\midrule",
        *(_row(row, len(table.columns)) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def _row(row: Row, columns: int) -> str:
    head = [text(row.label), str(row.n)]
    if row.failure:
        return _line([*head, rf"\multicolumn{{{columns}}}{{l}}{{{text(row.failure)}}}"])
    return _line([*head, *map(_cell, row.cells)])


def _cell(cell: Cell) -> str:
    written = text(cell.text())
    written = rf"\textbf{{{written}}}" if cell.bold and written else written
    return rf"{written} $\star$" if cell.star else written


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"
