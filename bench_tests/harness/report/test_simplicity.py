"""Lines of code, numbers that were chosen, and settings that were tried."""

from dataclasses import replace
from textwrap import dedent

import pytest

from bench_tests.harness.made_records import record_of
from greenbench.report.sections import split_into_sections
from greenbench.report.simplicity import chosen_numbers, lines_of_code, simplicity_table

CODE = dedent(
    '''
    """A module's docstring,
    in two lines."""

    from __future__ import annotations

    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        import torch

    RATE = 0.05  # of the schedule
    SIZES = (1 / 8, 1 / 4, 1 / 2, 1.0, 3.0, 4.0)
    NAME = "no number"


    @technique("Optimizer", "Somebody 2020", work_share=2.0)
    def own(recipe, momentum=0.9, *, fast=True):
        """Own."""
        import torch

        # A comment.
        text = """
        a text of three lines
        """
        return replace(recipe, loss=lambda: Loss(smoothing=0.1, dim=1, k=5))
    '''
)


def of(technique="own", code=CODE, tried=None, **facts):
    record = record_of(technique, **facts)
    return replace(record, technique=replace(record.technique, code=code, settings_tried=tried))


def rows_of(*records):
    tables = [*simplicity_table(split_into_sections(records))]
    return [[row.label, *(cell.text() for cell in row.cells)] for table in tables for row in table.rows]


def test_blank_lines_comments_imports_and_docstrings_do_not_count():
    assert lines_of_code(CODE) == 9
    assert lines_of_code("") == 0


def test_numbers_are_constants_defaults_and_arguments_by_name():
    assert chosen_numbers(CODE) == [
        ("RATE = 0.05", 1),
        ("SIZES", 6),
        ("momentum = 0.9", 1),
        ("smoothing = 0.1", 1),
        ("k = 5", 1),
    ]


def test_a_row_says_what_was_chosen():
    (row,) = rows_of(record_of(), of(tried=7))
    assert row[:3] == ["Own", "9", "10: RATE = 0.05, SIZES, momentum = 0.9, smoothing = 0.1, k = 5"]
    assert row[-1] == "7"


def test_versions_among_the_records_were_tried_at_least():
    older = [
        of(technique_digest=digest * 64, started_at=f"2025-01-0{number}T00:00:00+00:00")
        for number, digest in enumerate("ab", 1)
    ]
    assert rows_of(record_of(), of(), *older)[0][-1] == "≥ 3"
    assert rows_of(record_of(), of(tried=2), *older)[0][-1] == "3"
    assert rows_of(record_of(), of())[0][-1] == "–"


def test_the_newest_version_is_shown_and_versions_of_all_sections_count():
    older = of(
        code="RATE = 1.5", technique_digest="a" * 64, scale="tiny", started_at="2025-01-01T00:00:00+00:00"
    )
    (row,) = rows_of(record_of(), record_of(scale="tiny"), of(), older)
    assert row[1] == "9"
    assert row[-1] == "≥ 2"


@pytest.mark.parametrize("code", ["def broken(:", "  indented = 1", "text = '''"])
def test_code_that_cannot_be_read_is_a_dash(code):
    (row,) = rows_of(record_of(), of(code=code))
    assert row[1:3] == ["–", "–"]


def test_without_code_there_is_no_table(report_of):
    assert rows_of(record_of(), record_of("mixup")) == []
    assert rows_of(of("baseline")) == []
    text, _ = report_of(record_of(), of())
    assert "## Simplicity" in text
