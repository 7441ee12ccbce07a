"""How much of itself a technique brings: lines of code, numbers that somebody chose, and settings that were tried."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Sequence

from greenbench.records.record import Record
from greenbench.report.sections import Section, distinct, row_order
from greenbench.report.table import Cell, Row, Table
from greenbench.report.values import Written
from greenbench.spec.technique import BASELINE
from greenbench.units import MISSING

LEGEND = (
    "A gain is worth more where less was chosen for it. Lines of code are those of the technique's own file, without imports, "
    "comments and docstrings; what it imports is not counted. Numbers are what its file sets: constants in capitals, "
    "defaults of arguments, and other arguments by name except 0, 1 and 2. Settings tried are those that the technique states; "
    "≥ counts the versions of its file that these records hold; – is not known."
)
COLUMNS = ("Lines of code", "Numbers", "Fields changed", "Settings tried")
LONGEST = 24
"""Characters of a number that is printed; a table of numbers is named alone."""

_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def simplicity_table(sections: Sequence[Section]) -> Iterator[Table]:
    """Yield the table, a row for each technique; none where only the baseline was measured."""
    newest: dict[str, Record] = {}
    versions: dict[str, set[str]] = {}
    for section in sections:
        for found in section.sets:
            for record in (*found.records, *found.versions):
                case = record.case
                versions.setdefault(case.technique, set()).add(case.technique_digest)
            for record in found.records:
                older = newest.get(record.case.technique)
                if older is None or record.started_at > older.started_at:
                    newest[record.case.technique] = record
    records = sorted((r for n, r in newest.items() if n != BASELINE), key=row_order)
    titles = distinct({record.case.technique: record.technique.title for record in records})
    rows = tuple(
        Row(
            titles[record.case.technique],
            tuple(Cell(Written(text)) for text in _cells(record, len(versions[record.case.technique]))),
            (record,),
        )
        for record in records
        if record.technique.code
    )
    if rows:
        yield Table("Simplicity", COLUMNS, rows, (LEGEND,))


def lines_of_code(code: str) -> int:
    """Return how many lines hold code that is neither import nor docstring; `SyntaxError` for what is no Python."""
    tree = ast.parse(code)
    left_out = {
        line
        for node in ast.walk(tree)
        if _is_import(node) or _is_text(node)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)  # type: ignore[attr-defined]
    }
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    lines = {
        line
        for token in tokens
        if token.type not in _NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - left_out)


def chosen_numbers(code: str) -> list[tuple[str, int]]:
    """Return what a file sets, as ``name = value``, and how many numbers each holds, in their order.

    `SyntaxError` for what is no Python.
    """
    tree = ast.parse(code)
    constants = [
        (target.id, node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and any(map(_is_number, ast.walk(node.value)))
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    ]
    decorators = [
        one for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for one in node.decorator_list
    ]
    told = {id(node) for tree in (*decorators, *(value for _, value in constants)) for node in ast.walk(tree)}
    found = list(constants)
    for node in ast.walk(tree):
        if id(node) in told:
            continue
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            found += [(name, value) for name, value in _defaults(node.args) if _is_number(value)]
        elif isinstance(node, ast.keyword) and node.arg and _is_chosen(node.value):
            found.append((node.arg, node.value))
    found.sort(key=lambda pair: (pair[1].lineno, pair[1].col_offset))
    texts = [(name, ast.unparse(value), _count(value)) for name, value in found]
    return [(f"{name} = {text}" if len(text) <= LONGEST else name, count) for name, text, count in texts]


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    by_place = [*arguments.posonlyargs, *arguments.args]
    pairs = (
        *zip(reversed(by_place), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    )
    return ((argument.arg, value) for argument, value in pairs if value is not None)


def _cells(record: Record, versions: int) -> Iterator[str]:
    facts = record.technique
    try:
        lines, numbers = str(lines_of_code(facts.code)), chosen_numbers(facts.code)
    except SyntaxError:
        lines, numbers = MISSING, []
    yield lines
    total, names = sum(count for _, count in numbers), ", ".join(text for text, _ in numbers)
    yield f"{total}: {names}" if numbers else "0" if lines != MISSING else MISSING
    yield ", ".join(facts.changed_fields) or MISSING
    if facts.settings_tried is None:
        yield f"≥ {versions}" if versions > 1 else MISSING
    else:
        yield str(max(facts.settings_tried, versions))


def _is_import(node: ast.AST) -> bool:
    is_for_types = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
    return is_for_types or isinstance(node, ast.Import | ast.ImportFrom)


def _is_text(node: ast.AST) -> bool:
    """Whether it is a docstring, or a text that stands as one."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_number(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    )


def _count(node: ast.AST) -> int:
    """Return how many numbers are in a value; a calculation with them is one."""
    if _is_number(node) or isinstance(node, ast.BinOp | ast.UnaryOp):
        return int(any(map(_is_number, ast.walk(node))))
    return sum(map(_count, ast.iter_child_nodes(node)))


def _is_chosen(node: ast.AST) -> bool:
    """Whether it is a number that is not just a dimension, a count of one or two, or on and off."""
    return _is_number(node) and node.value not in (0, 1, 2)  # type: ignore[attr-defined]
