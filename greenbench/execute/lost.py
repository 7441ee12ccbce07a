"""The record of a case whose process came to none."""

from __future__ import annotations

from datetime import UTC, datetime

from greenbench.execute.facts import technique_facts, workload_facts
from greenbench.execute.run import Bench
from greenbench.records.conditions import engine_digest
from greenbench.records.machine import Machine, suite_commit
from greenbench.records.memory import PROCESS, PeakMemory
from greenbench.records.record import Record
from greenbench.records.results import Failure
from greenbench.spec.case import Case
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload


def lost_case(
    case: Case,
    technique: Technique,
    workload: Workload,
    bench: Bench,
    machine: Machine,
    failure: Failure,
    started_at: datetime,
) -> Record:
    """Return the record of a case that began at a time in UTC, on a machine."""
    return Record(
        case=case,
        machine=machine,
        engine=engine_digest(),
        meter="none",
        session=bench.session,
        commit=suite_commit(),
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=(datetime.now(UTC) - started_at).total_seconds(),
        technique=technique_facts(technique, ()),
        workload=workload_facts(workload, workload, case.scale, {}),
        result=failure,
        memory=PeakMemory(None, PROCESS, reason="its process told nothing"),
    )
