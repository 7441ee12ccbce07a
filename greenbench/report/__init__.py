"""The report: tables, a figure for each section, and a summary for the terminal, from records alone.

It is a pure function of the records: made again from the same files it is the same, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from greenbench.energy.carbon import CarbonIntensity
from greenbench.errors import UserError
from greenbench.records.folder import RecordFolder
from greenbench.report.content import collect
from greenbench.report.markdown import Figures, render
from greenbench.report.terminal import summarize
from greenbench.verdict.to_target import write_targets
from greenbench.verdict.verdict import write_verdicts

REPORT = "report.md"


@dataclass(frozen=True)
class Report:
    """A report that was written, and the lines of its short form for a terminal."""

    path: Path
    summary: list[str]


def write_report(folder: Path, intensity: CarbonIntensity) -> Report:
    """Write ``report.md``, its figures, ``verdicts.json`` and ``targets.json`` into a folder of records.

    Raises
    ------
    UserError
        If the folder holds no records, or cannot be written.
    """
    records, left_out = RecordFolder(folder).read_some()
    content = collect(records, left_out, intensity)
    from greenbench.report.figures.courses import draw_courses
    from greenbench.report.figures.gain_and_cost import draw

    path = folder / REPORT
    try:
        figures = [
            Figures(
                draw(part.section, folder / f"report-{number}.svg"),
                draw_courses(part.section, folder / f"report-{number}-courses.svg"),
            )
            for number, part in enumerate(content.parts, start=1)
        ]
        for left in set(folder.glob("report-*.svg")) - {path for drawn in figures for path in drawn}:
            left.unlink()  # of an earlier report with more sections
        write_verdicts(content.verdicts, folder)
        write_targets(
            [one for part in content.parts for found in part.section.sets for one in found.targets], folder
        )
        path.write_text(render(content, figures), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"the report cannot be written to {folder} ({error.strerror})",
            "make room or change its permissions",
        ) from error
    return Report(path, [*summarize(content), f"report: {path}"])
