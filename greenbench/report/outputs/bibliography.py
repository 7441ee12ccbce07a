"""The papers of the techniques that a report compares, as BibTeX."""

from __future__ import annotations

import re

from greenbench.report.content import Content
from greenbench.report.escape import one_line
from greenbench.report.outputs.latex import text

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5}|[a-z-]+/\d{7})")
_AUTHORS_AND_YEAR = re.compile(r"^(?P<authors>.+?) (?P<year>(?:19|20)\d\d)\b")


def render(content: Content) -> str:
    """Return an entry for each technique, with what its citation says: authors, year, arXiv number."""
    facts = {record.case.technique: record.technique for record in content.records}
    cited = {name: fact for name, fact in facts.items() if fact.citation}
    entries = [_entry(name, fact.title, fact.citation) for name, fact in sorted(cited.items())]
    return "\n\n".join(entries) + "\n" if entries else ""


def _entry(name: str, title: str, citation: str) -> str:
    known = _AUTHORS_AND_YEAR.match(citation)
    arxiv = _ARXIV.search(citation)
    fields = {
        "author": _authors(known["authors"]) if known else "",
        "year": known["year"] if known else "",
        "eprint": arxiv[1] if arxiv else "",
        "archiveprefix": "arXiv" if arxiv else "",
        "url": f"https://arxiv.org/abs/{arxiv[1]}" if arxiv else "",
        "note": text(f"{one_line(title)}: {one_line(citation)}"),
    }
    lines = [f"  {field} = {{{value}}}" for field, value in fields.items() if value]
    key = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"


def _authors(names: str) -> str:
    """Return authors as BibTeX divides them."""
    return " and ".join(map(text, re.split(r", | and ", names.replace(" et al.", " and others"))))
