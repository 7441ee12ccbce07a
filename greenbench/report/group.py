"""Records that may stand in one table: those of one machine, one protocol, and the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from greenbench.case import Kind
from greenbench.records.machine import Machine
from greenbench.protocol import Protocol
from greenbench.recipe import Category
from greenbench.records.record import Record
from greenbench.techniques import BASELINE

CATEGORIES: tuple[str, ...] = get_args(Category)
"""Order of the rows, as in the paper's tables."""


@dataclass(frozen=True)
class Group:
    """Comparable records.

    Attributes
    ----------
    machine, protocol
        What they share.
    records
        The newest of each case, by kind, technique and data set; each list holds the seeds.
    superseded
        Records that were left out because a newer one of the same case is there.
    """

    machine: Machine
    protocol: Protocol
    records: dict[tuple[Kind, str, str], list[Record]]
    superseded: int

    def datasets(self, kind: Kind, task: str) -> list[str]:
        """Return the data sets of a task that have records, in the protocol's order."""
        found = {
            d for (k, _, d), records in self.records.items() if k == kind and records[0].data.task == task
        }
        return sorted(found, key=lambda name: (*self.protocol.datasets, name).index(name))

    def techniques(self, kind: Kind, datasets: Sequence[str]) -> list[str]:
        """Return the techniques with records on any of the data sets, the baseline first, then by category."""
        found = {t: r[0] for (k, t, d), r in self.records.items() if k == kind and d in datasets}

        def place(name: str) -> tuple[int, str]:
            category = found[name].technique.category
            return CATEGORIES.index(category) if category in CATEGORIES else len(CATEGORIES), name

        return sorted(found, key=place)

    def of(self, kind: Kind, technique: str, dataset: str) -> list[Record]:
        """Return the records of a pair, by seed; empty where there are none."""
        return self.records.get((kind, technique, dataset), [])

    def baseline(self, kind: Kind, dataset: str) -> list[Record]:
        """Return the baseline's records on a data set."""
        return self.of(kind, BASELINE, dataset)


def split_into_groups(records: Sequence[Record]) -> list[Group]:
    """Split records by machine, protocol and version of the data, in a fixed order."""
    found: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        protocol = record.case.protocol
        found.setdefault((protocol.name, repr(protocol), record.machine.key), []).append(record)
    return [_group(found[key]) for key in sorted(found)]


def _group(records: Sequence[Record]) -> Group:
    newest: dict[tuple[Kind, str, str, int], Record] = {}
    for record in sorted(records, key=lambda r: (r.started_at, r.key)):
        case = record.case
        newest[case.kind, case.technique, case.dataset, case.seed] = record
    pairs: dict[tuple[Kind, str, str], list[Record]] = {}
    for (kind, technique, dataset, _), record in sorted(newest.items()):
        pairs.setdefault((kind, technique, dataset), []).append(record)
    return Group(records[0].machine, records[0].case.protocol, pairs, len(records) - len(newest))
