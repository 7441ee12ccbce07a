"""Every run of a report, by technique, with the reading that its joules come from."""

from __future__ import annotations

from dataclasses import dataclass

from greenbench.energy.reading import Reading
from greenbench.records.record import Record, by_technique
from greenbench.records.results import Failure
from greenbench.report.content import Content
from greenbench.report.sections import distinct
from greenbench.report.values import measured, shown, written
from greenbench.units import MISSING
from greenbench.verdict.quantities import QUANTITIES

MOST_RUNS = 1500
"""More would make a page of some megabytes."""


@dataclass(frozen=True)
class Run:
    """What one record says: the values that tables show, by their heading, and its reading."""

    record: Record
    values: tuple[tuple[str, str], ...]
    reading: Reading | None


@dataclass(frozen=True)
class Runs:
    """All runs of a technique in a section."""

    anchor: str
    title: str
    section: str
    runs: tuple[Run, ...]

    @property
    def records(self) -> list[Record]:
        """Their records."""
        return [run.record for run in self.runs]


def runs_of(content: Content) -> tuple[list[Runs], int]:
    """Return the runs of a report, and how many are left out because there are too many."""
    found: list[Runs] = []
    left_out = 0
    for number, section in enumerate(content.sections, start=1):
        grouped = by_technique(section.records)
        titles = distinct({name: records[0].technique.title for name, records in grouped.items()})
        for place, (name, records) in enumerate(grouped.items(), start=1):
            if sum(len(one.runs) for one in found) + len(records) > MOST_RUNS:
                left_out += len(records)
                continue
            runs = tuple(_run(record) for record in records)
            found.append(Runs(f"runs-{number}-{place}", titles[name], section.heading, runs))
    return found, left_out


def _run(record: Record) -> Run:
    if isinstance(record.result, Failure):
        return Run(record, (("failed", f"{record.result.stage}: {record.result.error}"),), None)
    values = []
    reading = None
    for quantity in QUANTITIES.values():
        of = quantity.of(record.workload.metric)
        mean = measured(of, [record])
        if mean is not None:
            title = f"{of.title}, in batches" if of.table == "batch" else of.title
            values.append((title, shown(written(of, mean))))
        if reading is None and quantity.reading is not None:
            reading = quantity.reading(record)
    return Run(record, tuple(values) or (("result", MISSING),), reading)
