"""The report: Markdown tables in the paper's form and a figure, from records alone.

It is a pure function of the records: made again from the same files it is the same, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from greenbench.audit import audit_records
from greenbench.energy.carbon import CarbonIntensity
from greenbench.errors import UserError
from greenbench.records.record import RecordFolder
from greenbench.report.group import split_into_groups
from greenbench.report.markdown import render, summarize

REPORT = "report.md"


@dataclass(frozen=True)
class Report:
    """A report that was written, and its short form for a terminal."""

    path: Path
    summary: list[str]


def write_report(folder: Path, intensity: CarbonIntensity) -> Report:
    """Write ``report.md`` and its figures into a folder of records.

    Raises
    ------
    UserError
        If the folder holds no records.
    """
    records, unreadable = RecordFolder(folder).read()
    if not records:
        raise UserError(
            f"{folder} holds no records ({len(unreadable)} other JSON files); give the folder of a study, such as "
            "reports/local"
        )
    groups = split_into_groups(records)
    from greenbench.report.figure import draw

    figures = []
    for number, group in enumerate(groups, start=1):
        figure = draw(group, folder / f"report-{number}.svg")
        figures.append(figure.name if figure else None)
    path = folder / REPORT
    findings = audit_records(records)
    path.write_text(render(groups, figures, unreadable, findings, intensity), encoding="utf-8")
    return Report(path, [*summarize(groups, unreadable, findings, intensity), f"report: {path}"])
