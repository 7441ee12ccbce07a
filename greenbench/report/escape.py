"""Texts from records, made harmless: a title is a title, whatever stands in it."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote

_MARKDOWN = re.compile(r"[\\`*_\[\]|#!]")
_LIST = re.compile(r"^(\d*)([-+.)])(?=[\s-]|$)")
_PUNCTUATION = re.compile(r"[\\`*_\[\]|!~$\"']")
_ENTITIES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("~"): "&#126;", ord("$"): "&#36;"}
_TAG = re.compile(r"<(?=[a-zA-Z/!?])")
_ENTITY = re.compile(r"&(?=#|[a-zA-Z])")
_LINK = re.compile(r"\](?=[(:\[])")


def one_line(text: str) -> str:
    """Return `text` in one line, without characters that control a terminal or reverse the writing."""
    return " ".join(_without_controls(text).split())


def shortened(text: str, width: int) -> str:
    """Return at most `width` characters of a text; an ellipsis stands for the rest."""
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def first_of(lines: Iterable[str], most: int, where: str) -> list[str]:
    """Return at most so many lines, and one that says how many more are elsewhere."""
    every = [*lines]
    more = len(every) - most
    return every if more <= 0 else [*every[:most], f"and {more} more, in {where}"]


def markdown(text: str) -> str:
    """Write a text in one line of Markdown so that it is read as that text."""
    text = _LIST.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", one_line(text)))
    # Entities come last: their own # is no Markdown.
    return text.translate(_ENTITIES)


def in_html(text: str) -> str:
    """Write a text in one line of HTML so that it is read as that text."""
    # A Markdown reader that looks into HTML finds nothing of its own there.
    return _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", html.escape(one_line(text), quote=False))


def link(label: str, file_name: str) -> str:
    """Write a Markdown link to a file of the same folder."""
    return f"[{markdown(label)}]({quote(_without_controls(file_name), safe='')})"


def card(text: str) -> str:
    """Keep a card's Markdown, without its HTML and links, in a quotation that nothing in it can end."""
    lines = []
    for line in text.splitlines():
        safe = _ENTITY.sub("&amp;", _without_controls(line))
        safe = _LINK.sub(r"]\\", _TAG.sub("&lt;", safe))
        lines.append(f"> {safe.rstrip()}".rstrip())
    return "\n".join(lines)


def _without_controls(text: str) -> str:
    if text.isprintable():  # nearly all are, and this is fast
        return text
    return "".join(" " if unicodedata.category(character)[0] == "C" else character for character in text)
