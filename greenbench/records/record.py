"""A record: one case that was run, with all that the tables and verdicts need to know of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from greenbench.records.elsewhere import Elsewhere
from greenbench.records.machine import Machine
from greenbench.records.memory import OLDER, PeakMemory
from greenbench.records.results import Failure, Result, Skipped
from greenbench.spec.case import Case
from greenbench.spec.workload import Metric

SCHEMA = 2
"""Version of the format."""


@dataclass(frozen=True)
class TechniqueFacts:
    """The technique as it was when it was measured; see `greenbench.spec.technique.Technique`."""

    title: str
    category: str
    citation: str
    file: str
    card: str
    code: str
    changed_fields: tuple[str, ...] = ()
    work_share: float | None = None
    settings_tried: int | None = None


@dataclass(frozen=True)
class WorkloadFacts:
    """The workload as it was; see `greenbench.spec.workload.Workload`.

    `train_images` and `validation_images` are those that were there, None where no data were read. `version` tells
    this copy of the data from another, and `partial` says which official numbers of images are not those. `subset` says
    which part of them the scale uses, None for all; the numbers are then its own. `weights` names the file that the
    network started from, None for random ones. `targets` are the scores to which it states the cost.
    """

    title: str
    task: str
    metric: Metric
    num_classes: int | None
    image_size: tuple[int, int] | None
    card: str = ""
    train_images: int | None = None
    validation_images: int | None = None
    version: str | None = None
    partial: str | None = None
    subset: str | None = None
    weights: str | None = None
    best_known: dict[str, float] = field(default_factory=dict)
    targets: tuple[float, ...] = ()


@dataclass(frozen=True)
class Record:
    """One case that was run.

    Attributes
    ----------
    case, machine
        What was run, and on what; for what greenbench did not measure, the table that it comes from.
    engine
        Digest of the code that ran it; None for records of schema 1, which did not keep it, and of tables.
    meter
        Name of the energy source.
    session
        Name of the run that wrote it; tells its own records from those of an earlier one.
    commit
        Git commit of greenbench, or None for an installed package.
    started_at
        UTC, ISO 8601; of a table, when it was read.
    seconds
        Duration of the case, reading data and building the network included; None for tables.
    technique, workload
        Facts about the two.
    result
        What came out.
    disturbed
        Who else measured on this machine at the same time, or None.
    memory
        The most memory that the case took.
    looks
        How often verdicts are looked at, at most, before the last run of its plan: each look takes its part of the chance of
        a false claim.
    key
        Hash of `case`.
    """

    case: Case
    machine: Machine | Elsewhere
    engine: str | None
    meter: str
    session: str
    commit: str | None
    started_at: str
    seconds: float | None
    technique: TechniqueFacts
    workload: WorkloadFacts
    result: Result
    disturbed: str | None = None
    memory: PeakMemory = OLDER
    looks: int = 1
    schema: int = SCHEMA
    key: str = ""

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.case.key)

    @property
    def failed(self) -> bool:
        """Whether the case gave no result."""
        return isinstance(self.result, Failure)

    @property
    def skipped(self) -> bool:
        """Whether the technique had nothing to do."""
        return isinstance(self.result, Skipped)

    @property
    def sound(self) -> bool:
        """Whether there is a result to compare."""
        return not self.failed and not self.skipped

    @property
    def file_name(self) -> str:
        """Name of the record's file."""
        return record_file_name(self.case, self.machine, self.key)


def by_technique(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return records by the name of their technique, in the order of its first one."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.case.technique, []).append(record)
    return found


def record_file_name(case: Case, machine: Machine | Elsewhere, key: str | None = None) -> str:
    """Return the name of the file that holds, or will hold, the record of a case on a machine."""
    return f"{case.kind}-{case.id}-seed{case.seed}-{key or case.key}-{machine.key}.json"
