"""What becomes known while a case runs, and the record that is made of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from greenbench.execute.facts import technique_facts, workload_facts
from greenbench.execute.requests import Requests
from greenbench.records.conditions import engine_digest
from greenbench.records.machine import Machine, suite_commit
from greenbench.records.memory import PeakMemory
from greenbench.records.record import Record
from greenbench.records.results import Result
from greenbench.spec.case import Case
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload


@dataclass
class Notes:
    """Begun when the case begins.

    Attributes
    ----------
    session
        Name of the whole run.
    started_at
        In UTC.
    start
        The same moment by a clock that nobody sets, in seconds.
    stage
        What is being done.
    requests
        Signals that ask for a checkpoint.
    earlier_s
        Seconds of the sittings before this one, where a training is gone on with.
    read
        The workload with what only the data tell, once they were read.
    """

    case: Case
    technique: Technique
    workload: Workload
    session: str
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    start: float = field(default_factory=time.monotonic)
    stage: str = "recipe"
    meter: str = "none"
    changed_fields: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    requests: Requests = field(default_factory=Requests)
    earlier_s: float = 0.0
    read: Workload = field(init=False)
    batch_size: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.read = self.workload
        self.batch_size = self.case.setting.get("batch_size")

    def record(self, machine: Machine, result: Result, memory: PeakMemory) -> Record:
        """Return the record of the case, which ends now."""
        return Record(
            case=self.case,
            machine=machine,
            engine=engine_digest(),
            meter=self.meter,
            session=self.session,
            commit=suite_commit(),
            started_at=self.started_at.isoformat(timespec="seconds"),
            seconds=self.earlier_s + time.monotonic() - self.start,
            technique=technique_facts(self.technique, self.changed_fields),
            workload=workload_facts(self.workload, self.read, self.case.scale, self.data),
            result=result,
            memory=memory,
        )
