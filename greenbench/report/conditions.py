"""Under which conditions a section was measured, in lines."""

from __future__ import annotations

from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import Machine
from greenbench.report.elsewhere import remarks, source_lines
from greenbench.report.sections import Section


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
    if machine.workers > 1:
        lines.append(
            f"Disturbed: {machine.workers} processes measured side by side, so times are not comparable"
        )
    return lines


def _describe(machine: Machine) -> str:
    cpu = f"{machine.cpu} ({machine.cpu_threads} threads)"
    if machine.gpu is None:
        return f"{cpu}, no GPU"
    return f"{machine.gpu} ({machine.gpu_uuid}, driver {machine.driver or 'unknown'}), {cpu}"
