"""The documentation site: `sphinx-build -W -b html docs build/site`. Method cards and results are made from code and records."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

project = "greenbench"
author = "the greenbench authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "greenbench"
html_static_path = ["images"]
myst_heading_anchors = 3
exclude_patterns = ["README.md", "made/README.md"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
suppress_warnings = ["misc.highlighting_failure"]  # of the table in CSV

MADE = HERE / "made"
"""Pages that are made at each build."""

OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]+)\)")
INTO_README = re.compile(r"\]\(README\.md")


def setup(app) -> None:
    """Make pages before the others are read, and write links out of this folder as paths."""
    app.connect("builder-inited", lambda _app: make_pages())
    app.connect("source-read", lambda _app, _name, source: source.__setitem__(0, inside(source[0])))


def inside(text: str) -> str:
    """Return a page without links that lead out of the site: a file of the project is named by its path."""
    return INTO_README.sub("](made/own-study.md", OUTSIDE.sub(r"\1 (`\2`)", text))


def make_pages() -> None:
    """Write the pages that nobody writes by hand."""
    MADE.mkdir(exist_ok=True)
    for name, lines in (("methods", methods()), ("results", results()), ("own-study", own_study())):
        (MADE / f"{name}.md").write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def methods() -> Iterator[str]:
    """Yield the card of each technique."""
    from greenbench.study.catalog import discover

    yield "# Method cards"
    catalog = discover()
    for collection in dict.fromkeys(technique.collection for technique in catalog.techniques.values()):
        yield f"## Collection {collection}"
        for technique in catalog.techniques.values():
            if technique.collection == collection:
                yield f"### {technique.title}"
                yield f"`{technique.name}`. {technique.category}. {technique.citation}."
                yield technique.card


def results() -> Iterator[str]:
    """Yield which techniques pay, by the records of each folder under reports/."""
    from greenbench.energy.carbon import carbon_intensity
    from greenbench.records.folder import RecordFolder
    from greenbench.report.conditions import condition_lines
    from greenbench.report.content import collect
    from greenbench.report.escape import markdown
    from greenbench.report.legend import IN_SHORT, LEGEND
    from greenbench.report.markdown import render_short

    yield "# Results"
    yield IN_SHORT
    yield "Made from the records of the folders under `reports/`: a new folder is a new part of this page."
    for folder in sorted(path for path in (ROOT / "reports").glob("*") if path.is_dir()):
        records, left_out = RecordFolder(folder).read()
        if not records:
            continue
        content = collect(records, left_out, carbon_intensity())
        yield f"## {folder.name}"
        for part in content.parts:
            yield f"### {markdown(part.section.heading)}"
            for table in part.pays or part.details[:1]:
                yield from render_short(table)
            for figure in part.figures[:1]:
                picture = f"{folder.name}-{figure.name}.svg"
                figure.write(MADE / picture)
                yield f"![{markdown(figure.title)}]({picture})"
                yield markdown(figure.caption)
            yield "\n".join(f"- {markdown(line)}" for line in condition_lines(part.section))
    yield "## How to read it"
    yield LEGEND


def own_study() -> Iterator[str]:
    """Yield the page of own studies, whose links are those of the folder above."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    yield (
        re.sub(r"\[([^\]]*)\]\((examples/[^)\s]+)\)", r"`docs/\2`", text)
        .replace("](", "](../")
        .replace("](../http", "](http")
        .replace("](../../", "](../")
        .replace("](../#", "](#")
    )
