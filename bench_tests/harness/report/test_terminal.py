"""The summary fits a terminal of 80 columns."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bench_tests.harness.made_records import record_of
from greenbench.report.content import collect
from greenbench.report.table import MAX_COLUMNS, Cell, Row, Table
from greenbench.report.terminal import TABLES_SHOWN, WIDTH, render_table, summarize
from greenbench.report.values import Written

from .conftest import WORLD

RECORDS = tuple(record_of("mixup", seed=seed) for seed in range(3))

cells = st.builds(
    Cell,
    st.builds(Written, st.text(max_size=30), st.text(max_size=10), st.sampled_from(["%", ""])),
    st.sampled_from(["", "†", " est."]),
    star=st.booleans(),
)


@st.composite
def made_tables(draw):
    columns = draw(st.lists(st.text(max_size=40), min_size=1, max_size=MAX_COLUMNS - 3))
    rows = draw(
        st.lists(
            st.builds(
                Row,
                st.text(),
                st.lists(cells, min_size=len(columns), max_size=len(columns)).map(tuple),
                st.just(RECORDS),
            )
            | st.builds(Row, st.text(), st.just(()), st.just(RECORDS), st.text(min_size=1)),
            min_size=1,
            max_size=4,
        )
    )
    return Table(draw(st.text()), tuple(columns), tuple(rows))


@given(made_tables())
def test_no_line_wraps_and_every_row_names_its_record(table):
    lines = render_table(table)
    assert max(map(len, lines)) <= WIDTH
    assert not any("\n" in line for line in lines)
    assert sum(RECORDS[0].key in line for line in lines) >= sum(not row.failure for row in table.rows)


def rows_after(lines, title):
    start = lines.index(title)
    return lines[start : lines.index("", start)]


def test_a_full_table_keeps_its_values_and_leaves_the_intervals_to_the_report(varied):
    lines = summarize(collect(varied, [], WORLD))
    assert max(map(len, lines)) <= WIDTH
    single = rows_after(lines, "Digits: inference, single images")
    assert any(line.startswith("Blurpool") for line in single)
    assert not any("alone" in line for line in single)


def test_intervals_give_way_before_columns():
    table = Table("Wide", tuple("abcdef"), (Row("Mixup", (Cell(Written("98.3", "0.4", "%")),) * 6, RECORDS),))
    lines = render_table(table)
    assert lines[-1].count("98.3%") == 6
    narrow = replace(
        table, columns=tuple("ab"), rows=(replace(table.rows[0], cells=table.rows[0].cells[:2]),)
    )
    assert render_table(narrow)[-1].count("98.3 ± 0.4%") == 2


def test_what_does_not_fit_is_named():
    wide = Cell(Written("1234567890123456"), star=True)
    table = Table("Wide", ("aaaa", "bbbb", "cccc", "dddd"), (Row("Mixup", (wide,) * 4, RECORDS),))
    assert render_table(table)[-1] == "in the report alone: cccc, dddd"


def test_long_titles_are_cut():
    table = Table("Long", ("Value",), (Row("a very long title " * 5, (Cell(Written("1")),), RECORDS),))
    assert any("…" in line for line in render_table(table))


def test_a_failure_takes_the_place_of_the_values(varied):
    lines = summarize(collect(varied, [], WORLD))
    (row,) = [line for line in lines if line.startswith("Lookahead")]
    assert row.split(maxsplit=2)[1:] == ["0", row[row.index("failed") :]]
    assert any(line.startswith("failed: Lookahead on Digits, training, seed 1") for line in lines)


def test_there_is_no_markdown_and_no_footnote(varied):
    text = "\n".join(summarize(collect(varied, [], WORLD)))
    assert "**" not in text
    assert "left out" not in text


def test_of_very_many_tables_the_first_are_shown_and_the_others_counted():
    records = [record_of(workload=f"w{number:03}") for number in range(TABLES_SHOWN + 2)]
    lines = summarize(collect(records, [], WORLD))
    assert sum(": training" in line for line in lines) == TABLES_SHOWN
    assert "2 more tables are in the report alone" in lines
