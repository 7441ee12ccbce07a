"""Run a published row again: the same case, with its seeds and further ones, by the code that is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path

from greenbench.errors import UserError
from greenbench.records.conditions import conditions, key_of
from greenbench.records.folder import RecordFolder, Unreadable, read_record
from greenbench.records.record import Record
from greenbench.records.results import Failure, Skipped
from greenbench.spec.case import KINDS, RANDOM, Case, case_of, on_random_images
from greenbench.spec.scale import Scale
from greenbench.study.catalog import Catalog


@dataclass(frozen=True)
class Published:
    """A record, and those of its row: the other seeds in its folder that may be compared with it."""

    record: Record
    row: tuple[Record, ...]


def published(path: Path) -> Published:
    """Read a record and its row.

    Raises
    ------
    UserError
        If there is no record, or none that can be run again.
    """
    record = read_record(path)
    if isinstance(record, Unreadable):
        raise UserError(f"{path}: {record.reason}", "give the file of a record that a study wrote")
    if record.case.kind not in KINDS:
        raise UserError(
            f"{path} was not measured by greenbench", "give a record of a training, inference or cost"
        )
    if isinstance(record.result, Failure | Skipped):
        why = record.result.error if isinstance(record.result, Failure) else record.result.reason
        raise UserError(f"{path} has no result to hold a run against: {why}", "give a record that has one")

    def identity(one: Record) -> str:
        return key_of(
            {**conditions(one), "technique": one.case.technique, "digest": one.case.technique_digest}
        )

    row = [
        one for one in RecordFolder(path.parent).read()[0] if one.sound and identity(one) == identity(record)
    ]
    return Published(
        record, tuple(sorted(row, key=lambda one: (one.case.seed != record.case.seed, one.case.seed)))
    )


def cases_again(found: Published, catalog: Catalog, scale: Scale, runs: int) -> tuple[Case, ...]:
    """Return the cases to run, at the record's scale: its seed first, then those of its row, then further ones.

    Raises
    ------
    UserError
        If technique or workload are not here, or their settings are others by now.
    """
    case = found.record.case
    if case.workload not in catalog.workloads:
        raise UserError(
            f"the workload {case.workload!r} of the record is not here", "give its file behind the record's"
        )
    technique, workload = catalog.technique(case.technique), catalog.workloads[case.workload]
    setting = case.setting
    again = case_of(case.kind, technique, workload, scale, case.seed, case.mode)
    if setting.get("data") == RANDOM:
        again = on_random_images(again)
    for name in {**setting, **again.setting}:
        if setting.get(name) != again.setting.get(name):
            raise UserError(
                f"{case.id} has another setting by now: {name} was {setting.get(name)!r} and is "
                f"{again.setting.get(name)!r}",
                "check out the commit of the record"
                + (f", {found.record.commit}" if found.record.commit else ""),
            )
    known = [record.case.seed for record in found.row]
    seeds = [*known, *islice((seed for seed in count() if seed not in known), max(0, runs - len(known)))]
    return tuple(replace(again, seed=seed) for seed in seeds[:runs])


def sound(records: Sequence[Record]) -> list[Record]:
    """Return records that all have a result.

    Raises
    ------
    UserError
        Naming the first that has none.
    """
    for record in records:
        if isinstance(record.result, Failure):
            raise UserError(
                f"{record.case.id}, seed {record.case.seed}: {record.result.error}", record.result.next_step
            )
        if isinstance(record.result, Skipped):
            raise UserError(f"{record.case.id} has nothing to do here: {record.result.reason}")
    return list(records)
