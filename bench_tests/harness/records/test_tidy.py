"""Tables are read as they stand, and what could be read in two ways is refused with its place."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenbench.errors import UserError
from greenbench.records.tidy import read_tidy

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(content, name="results.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@given(st.data())
def test_every_cell_of_a_table_is_read_with_its_line(tmp_path_factory, data):
    width = data.draw(st.integers(2, 5))
    names = data.draw(
        st.lists(WORDS.map(str.strip).filter(bool), min_size=width, max_size=width, unique=True)
    )
    rows = data.draw(st.lists(st.lists(WORDS, min_size=width, max_size=width), min_size=1, max_size=5))
    delimiter = data.draw(st.sampled_from(",;\t"))
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([names, *rows])
    path = tmp_path_factory.mktemp("tidy") / "results.csv"
    path.write_bytes(text.getvalue().encode())
    table = read_tidy(path)
    assert table.columns == tuple(names)
    assert [(row.line, list(row.cells)) for row in table.rows] == list(enumerate(rows, start=2))


def test_a_packed_table_and_json_lines_say_the_same(written):
    rows = [{"a": "x", "n": 1.5}, {"a": "y", "n": None}]
    plain = read_tidy(written("a,n\nx,1.5\ny,\n"))
    packed = read_tidy(written(gzip.compress(b"a,n\nx,1.5\ny,\n", mtime=0), "results.csv.gz"))
    lines = read_tidy(written("\n\n".join(map(json.dumps, rows)), "results.jsonl"))
    tabs = read_tidy(written("\ufeffa\tn\r\nx\t1.5\r\ny\t\r\n", "results.tsv"))
    for table in (packed, lines, tabs):
        assert table.columns == plain.columns
        assert [list(row.cells) for row in table.rows] == [list(row.cells) for row in plain.rows]
    assert [row.line for row in lines.rows] == [1, 3]
    assert plain.sha256 != packed.sha256, "the digest is that of the file's bytes"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way_and_empty_ones_are_no_rows(written, end):
    table = read_tidy(written(end.join(("", "a;n", "x;1", "", ";", "y;2"))))
    assert table.columns == ("a", "n")
    assert [(row.line, list(row.cells)) for row in table.rows] == [(3, ["x", "1"]), (6, ["y", "2"])]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_exactly(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "number.csv"
    path.write_text(f"a,n\nx,{value!r}\n")
    table = read_tidy(path)
    assert table.number(table.rows[0], 1) == value


@pytest.mark.parametrize("text", ["", "nan", "NaN", "-inf", "Infinity", "NA", "null", "1e999", " – "])
def test_a_cell_without_a_value_gives_none_and_the_reason(written, text):
    table = read_tidy(written(f"a,n\nx,{text}\n"))
    assert table.number(table.rows[0], 1) is None
    said = f"says '{text.strip()}'" if text.strip() else "is empty"
    assert table.why_no_number(table.rows[0], 1) == f"column 'n' {said} in line 2"


@pytest.mark.parametrize(
    ("text", "decimal", "next_step"),
    [
        ("good", ".", "write it without unit"),
        ("98.2%", ".", "write it without unit"),
        ("1_000", ".", "write it without unit"),
        ("٣", ".", "write it without unit"),
        ('"0,98"', ".", "give --decimal , if that is the decimal sign"),
        ("0.98", ",", "give --decimal . if that is the decimal sign"),
        ('"1.234,5"', ",", "write it without unit"),
        ("True", ".", "write it without unit"),
    ],
)
def test_a_text_in_the_place_of_a_number_is_refused(written, text, decimal, next_step):
    table = read_tidy(written(f"a,n\nx,{text}\n"), decimal)
    shown = text.strip('"')
    with pytest.raises(UserError) as caught:
        table.number(table.rows[0], 1)
    assert caught.value.problem.startswith(
        f"results.csv, line 2, column 'n' is {shown!r}; allowed is a number"
    )
    assert caught.value.next_step.startswith(next_step)


def test_a_decimal_comma_is_read_where_it_is_stated(written):
    table = read_tidy(written("a;n\nx;0,5\ny;-1,5e-1\nz;2\n"), ",")
    assert [table.number(row, 1) for row in table.rows] == [0.5, -0.15, 2.0]


@pytest.mark.parametrize(("text", "value"), [("3", 3), ("3.0", 3), ("-2", -2), ("1e3", 1000)])
def test_a_whole_number_may_be_written_with_decimals(written, text, value):
    table = read_tidy(written(f"a,n\nx,{text}\n"))
    assert table.whole_number(table.rows[0], 1) == value


@pytest.mark.parametrize("text", ["1.5", "", "nan", "inf", "1e300", "run-1"])
def test_anything_else_is_no_whole_number(written, text):
    table = read_tidy(written(f"a,n\nx,{text}\n"))
    with pytest.raises(UserError, match=r"line 2, column 'n' is .*; allowed is a whole number"):
        table.whole_number(table.rows[0], 1)


def test_a_name_is_needed_and_none_is_a_name(written):
    table = read_tidy(written("a,n\nNone,1\n ,1\nNaN,1\n"))
    assert table.text(table.rows[0], 0) == "None"
    for row in table.rows[1:]:
        with pytest.raises(
            UserError, match=rf"results.csv, line {row.line}, column 'a' is .*; every row needs"
        ):
            table.text(row, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"results.csv is empty; give a table"),
        ("\n\n", r"results.csv is empty; give a table"),
        (",,\n;\n", r"results.csv has a header and no rows"),
        ("0" * 140_000, r"line 1 is not CSV \(field larger than"),
        (b"PK\x03\x04\x14", r"results.csv is a workbook or another archive; save the table as CSV"),
        ("a,n\n", r"results.csv has a header and no rows; give a table"),
        (
            "a,n\nx,1\ny,0,98\n",
            r"line 3 has 3 cells, and the header has 2, divided by ','; put texts and numbers",
        ),
        ("a,n\nx\n", r"line 2 has 1 cells"),
        ('a,n\n"x,1\n', r"line 2 is not CSV .*; mend the quotes"),
        ("a,n\nx,1\nWäre,1\n".encode("latin1"), r"line 3: byte 0xe4 is not UTF-8; save the table as UTF-8"),
        ("a,n\nx,1\n".encode("utf-16"), r"line 1: byte 0xff is not UTF-8"),
        ("a,n\nx,\0\n", r"line 2 holds a zero byte: it is no text"),
        (gzip.compress(b"a,n\nx,1\n", mtime=0)[:-4], r"results.csv cannot be unpacked"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_its_line(written, content, message):
    with pytest.raises(UserError, match=message):
        read_tidy(written(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\nx\n', "line 2 is not JSON"),
        ("[1]\n", "line 1 is no JSON object"),
        ("", "results.jsonl is empty"),
        ("[" * 100_000, "line 1 is not JSON"),
    ],
)
def test_lines_that_are_no_json_objects_are_refused(written, content, message):
    with pytest.raises(UserError, match=message):
        read_tidy(written(content, "results.jsonl"))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot be read .*; give a file with a table"):
        read_tidy(tmp_path / "results.csv")


def test_a_column_is_there_once_or_refused(written):
    table = read_tidy(written("a,b,b\n1,2,3\n"))
    assert table.index("a", "seed") == 0
    with pytest.raises(UserError, match=r"has 2 columns 'b' for the seed; .*; give each column a name"):
        table.index("b", "seed")
    with pytest.raises(
        UserError, match="has no column 'c' for the seed; its columns are 'a', 'b', 'b'; name one of"
    ):
        table.index("c", "seed")
