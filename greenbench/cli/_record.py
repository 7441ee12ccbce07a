"""One record in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tabulate import tabulate

from greenbench.energy.carbon import CarbonIntensity
from greenbench.errors import UserError
from greenbench.records.elsewhere import Elsewhere
from greenbench.records.folder import Unreadable, read_record
from greenbench.records.record import Record
from greenbench.records.results import Failure, Imported, Skipped, Training
from greenbench.report.values import mark, measured, shown, written
from greenbench.units import MISSING, si
from greenbench.verdict.quantities import shown_quantities


def record_text(path: Path, intensity: CarbonIntensity) -> str:
    """Return what a record's file says: the case, its conditions, and each quantity or the reason why it is missing.

    Raises
    ------
    UserError
        If the file holds no sound record.
    """
    record = read_record(path)
    if isinstance(record, Unreadable):
        raise UserError(f"{path}: {record.reason}", "give a record that a study wrote")
    case, machine = record.case, record.machine
    if isinstance(machine, Elsewhere):
        where = f"from {machine.table}, which greenbench did not measure (sha256 {machine.sha256})"
        started = f"read {record.started_at}"
    else:
        where = f"scale {case.scale}, mode {case.mode}, meter {record.meter}, on {machine.gpu or machine.cpu}"
        started = f"started {record.started_at}, {si(record.seconds, 's')} in all"
    lines = [
        f"{record.technique.title} on {record.workload.title}: {case.kind}, seed {case.seed}, {_outcome(record)}",
        where,
        started,
    ]
    rows = list(_rows(record, intensity)) if record.sound else []
    return "\n".join(
        [*lines, *(["", tabulate(rows, tablefmt="plain", disable_numparse=True)] if rows else [])]
    )


def _outcome(record: Record) -> str:
    result = record.result
    if isinstance(result, Failure):
        return f"failed, stage {result.stage}: {result.error}. Next step: {result.next_step}"
    if isinstance(result, Skipped):
        return f"not applicable: {result.reason}"
    if isinstance(result, Imported):
        return f"line {result.line}"
    return result.status if isinstance(result, Training) else "finished"


def _rows(record: Record, intensity: CarbonIntensity) -> Iterator[tuple[str, str, str]]:
    for quantity in shown_quantities(intensity):
        if quantity.kind == record.case.kind:
            quantity = quantity.of(record.workload.metric)
            value = measured(quantity, [record])
            text = MISSING if value is None else shown(written(quantity, value)) + mark(quantity, [record])
            yield f"{quantity.title} ({quantity.name})", text, quantity.why_missing(record) or ""
