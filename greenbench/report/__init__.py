"""The report: tables, figures, and files for other programs, from records alone.

It is a pure function of the records: made again from the same files it is the same, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from greenbench.atomic import whole_file
from greenbench.energy.carbon import CarbonIntensity
from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder
from greenbench.report import markdown, page
from greenbench.report.content import Content, collect
from greenbench.report.figures.figure import FOLDER, Figure
from greenbench.report.outputs import benchmarks, bibliography, comment, emissions, latex, results, rows
from greenbench.report.terminal import summarize
from greenbench.verdict.to_target import write_targets
from greenbench.verdict.verdict import write_verdicts

REPORT, PAGE, COMMENT = "report.md", "report.html", "ci/comment.md"

OUTPUTS: Mapping[str, Callable[[Content], str]] = {
    REPORT: markdown.render,
    PAGE: page.render,
    "results.csv": rows.render,
    "results.json": results.render,
    "tables.tex": latex.render,
    "techniques.bib": bibliography.render,
    "co2_eq_emissions.yaml": emissions.render,
    COMMENT: comment.render,
    "ci/github-action-benchmark.json": benchmarks.github_action,
    "ci/bencher.json": benchmarks.bencher,
}
"""What a report is written as; a new format is a line here, and a function from `Content` to a text."""

NUMBERED = "[0-9]*-*"
"""How the names of a report's figures look; others in their folder are somebody else's."""


@dataclass(frozen=True)
class Report:
    """A report that was written, and the lines of its short form for a terminal."""

    path: Path
    page: Path
    summary: list[str]


def write_report(folder: Path, intensity: CarbonIntensity, *, png: bool = False) -> Report:
    """Write a report, its figures, ``verdicts.json`` and ``targets.json`` into a folder of records.

    Parameters
    ----------
    png
        Whether figures are written as PNG, too.

    Raises
    ------
    UserError
        If the folder holds no records, or cannot be written.
    """
    records, left_out = RecordFolder(folder).read_some()
    content = collect(records, left_out, intensity)
    try:
        _draw([figure for part in content.parts for figure in part.figures], folder / FOLDER, png=png)
        _write(content, folder)
    except OSError as error:
        raise UserError(
            f"the report cannot be written to {folder} ({error.strerror})",
            "make room or change its permissions",
        ) from error
    path, of_html = folder / REPORT, folder / PAGE
    return Report(path, of_html, [*summarize(content), f"report: {path}, {of_html.name}"])


def _write(content: Content, folder: Path) -> None:
    write_verdicts(content.verdicts, folder)
    write_targets(
        [one for section in content.sections for found in section.sets for one in found.targets], folder
    )
    for name, render in OUTPUTS.items():
        with whole_file(folder / name) as file:
            file.write(render(content).encode("utf-8", "replace"))


def _draw(figures: Iterable[Figure], folder: Path, *, png: bool) -> None:
    """Write the figures, and take away those of an earlier report."""
    drawn = {path: figure for figure in figures for path in figure.paths(folder, png=png)}
    for left in {*folder.glob(f"{NUMBERED}.svg"), *folder.glob(f"{NUMBERED}.png")} - {*drawn}:
        left.unlink()
    for path, figure in drawn.items():
        figure.write(path)
