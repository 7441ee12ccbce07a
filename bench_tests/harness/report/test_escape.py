"""Texts from records cannot break the report, whatever stands in them."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenbench.report.escape import card, in_html, link, markdown, one_line, shortened

SURROGATES = st.text(alphabet=st.characters(codec=None))
NASTY = SURROGATES | st.text(alphabet="<>&|`*_[]()#!\\~$\n\r\t\x1b -+.1a/:\u202e")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a|b", r"a\|b"),
        ("`code`", r"\`code\`"),
        ("two\nlines", "two lines"),
        ("[x](javascript:alert)", r"\[x\](javascript:alert)"),
        ("![x](y)", r"\!\[x\](y)"),
        ("**b** _i_ ~~s~~", r"\*\*b\*\* \_i\_ &#126;&#126;s&#126;&#126;"),
        ("&lt;", "&amp;lt;"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("90.0%", "90.0%"),
        ("-0.5", "-0.5"),
    ],
)
def test_markdown_is_read_as_text(text, escaped):
    assert markdown(text) == escaped


@given(NASTY)
def test_no_text_leaves_its_cell(text):
    escaped = markdown(text)
    assert not re.search(r"[<>\n\r]", escaped)
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_\[\]]", escaped)
    escaped.encode("utf-8")


@given(NASTY)
def test_html_is_read_as_text(text):
    assert not re.search(r"[<>\"\n]", in_html(text))


@given(NASTY)
def test_a_terminal_gets_one_line_without_controls(text):
    line = one_line(text)
    assert line.isprintable() or not line.replace("\xa0", "").isascii()
    assert "\x1b" not in line
    assert "\n" not in line


@given(NASTY)
def test_a_link_leads_to_one_file_of_the_folder(name):
    address = re.fullmatch(r"\[0\]\((.*)\)", link("0", name))[1]
    assert re.fullmatch(r"[A-Za-z0-9%_.~-]*", address)
    if name.isprintable():
        assert unquote(address) == name


@given(NASTY)
def test_a_card_stays_in_its_quotation_without_html_and_links(text):
    safe = card(text)
    assert all(line.startswith(">") for line in safe.splitlines())
    assert not re.search(r"<[a-zA-Z/!?]", safe)
    assert not re.search(r"\][(:\[]", safe)
    safe.encode("utf-8")


def test_a_card_stays_readable():
    text = "Mixup: **mixes** two images.\n\n- ``y = l x + (1 - l) z``, `l < 1`\n\n# Source"
    assert (
        card(text) == "> Mixup: **mixes** two images.\n>\n> - ``y = l x + (1 - l) z``, `l < 1`\n>\n> # Source"
    )


@given(st.text(), st.integers(2, 20))
def test_shortened_texts_fit(text, width):
    assert len(shortened(text, width)) <= width
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"


def test_a_surrogate_that_no_file_can_hold_is_a_blank():
    assert one_line("a\ud800b") == "a b"
