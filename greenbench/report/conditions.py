"""Under which conditions a section was measured, in lines."""

from __future__ import annotations

from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import Machine
from greenbench.report.elsewhere import remarks, source_lines
from greenbench.report.escape import first_of
from greenbench.report.sections import Section, distinct

MOST_NAMES = 10


def condition_lines(section: Section) -> list[str]:
    """Return machine, software, scale and seeds; of a table made elsewhere, its source."""
    machine, records = section.machine, section.records
    if isinstance(machine, Elsewhere):
        return [*source_lines(machine, records), *remarks(machine, records)]
    seeds = sorted({record.case.seed for record in records})
    commits = sorted({record.commit or "installed package" for record in records})
    lines = [
        f"Machine: {_describe(machine)}",
        f"Software: torch {machine.torch}, torchvision {machine.torchvision}, Python {machine.python}",
        f"Suite: greenbench {machine.greenbench}, {', '.join(commits)}",
        f"Scale: {section.scale}; numerical mode: {section.mode}; seeds: {', '.join(map(str, seeds))}",
    ]
    lines += earlier_lines(section)
    if machine.workers > 1:
        lines.append(
            f"Disturbed: {machine.workers} processes measured side by side, so times are not comparable"
        )
    return lines


def earlier_lines(section: Section) -> list[str]:
    """Say which techniques were measured before the newest run; nothing where one run measured all."""
    latest: dict[str, str] = {}
    for record in section.records:
        latest[record.session] = max(latest.get(record.session, ""), record.started_at)
    newest = max(latest, key=lambda session: latest[session], default="")
    older = [record for record in section.records if record.session != newest]
    if not older:
        return []
    titles = distinct({record.case.technique: record.technique.title for record in older})
    shown = first_of(titles.values(), MOST_NAMES, "results.csv")
    until = max(record.started_at for record in older).partition("T")[0]
    return [
        f"Of earlier runs: {len(older)} of {len(section.records)} records, until {until}: {', '.join(shown)}"
    ]


def _describe(machine: Machine) -> str:
    cpu = f"{machine.cpu} ({machine.cpu_threads} threads)"
    if machine.gpu is None:
        return f"{cpu}, no GPU"
    return f"{machine.gpu} ({machine.gpu_uuid}, driver {machine.driver or 'unknown'}), {cpu}"
