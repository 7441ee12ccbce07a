"""A study under way: its settings, the records it has, and the runs that it still needs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from greenbench import datasets, techniques
from greenbench.energy.carbon import CarbonIntensity
from greenbench.case import Case, Kind, Pair, pairs
from greenbench.checks import Finding, check, load_tolerances
from greenbench.records.machine import this_machine
from greenbench.protocol import Protocol
from greenbench.recipe import Technique
from greenbench.records.record import Record, RecordFolder
from greenbench.records.results import ProgressCallback
from greenbench.run import run_case

ProgressFactory = Callable[[Case], ProgressCallback]


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Attributes
    ----------
    protocol
        The scale.
    techniques
        All that were found, by name.
    selected
        Names of those to run, ``a+b`` for compositions; empty for all.
    data_root
        Folder of the data sets that are not shipped, or None.
    out
        Folder for records and report.
    seeds
        Runs of each case.
    carbon
        Carbon intensity of the report's CO2 figures.
    meter
        Name of the energy source.
    busy
        What to do when other programs are on the measured GPU: ``fail``, ``wait`` or ``mark``.
    resume
        Whether records of an earlier run count.
    session
        Name of this run.
    workers
        Processes that measure side by side.
    """

    protocol: Protocol
    techniques: techniques.Techniques
    selected: tuple[str, ...]
    data_root: Path | None
    out: Path
    seeds: int
    carbon: CarbonIntensity
    meter: str
    busy: str
    resume: bool
    session: str
    workers: int = 1


@dataclass
class Study:
    """Runs pairs on demand and keeps their records.

    A baseline is run when the first pair needs it, whoever comes first, and only once in a session.
    """

    settings: Settings
    progress: ProgressFactory = lambda _case: lambda _progress: None
    resumed: set[str] = field(default_factory=set)
    """Keys of the cases that were taken from an earlier run."""

    @property
    def folder(self) -> RecordFolder:
        """Where the records are."""
        return RecordFolder(self.settings.out)

    def pairs(self, kind: Kind) -> list[Pair]:
        """Return the pairs of the study's matrix."""
        settings = self.settings
        found = datasets.discover()
        return pairs(
            kind,
            self._selected_techniques(),
            [found[name] for name in settings.protocol.datasets],
            settings.protocol,
            settings.seeds,
        )

    def missing_data(self, pair: Pair) -> str | None:
        """Return why a pair's data cannot be read, or None; inference needs no data."""
        if pair.cases[0].kind == "inference":
            return None
        return pair.dataset.missing(self.settings.data_root)

    def records(self, pair: Pair) -> list[Record]:
        """Return the records of a pair, one for each seed; run what is not there yet."""
        return [self._record(pair, case) for case in pair.cases]

    def check(self, pair: Pair) -> list[Finding]:
        """Run a pair and its baseline where needed and return what is outside its tolerance."""
        baseline = self.settings.techniques[techniques.BASELINE]
        reference = Pair(
            baseline,
            pair.dataset,
            tuple(
                replace(case, technique=baseline.name, technique_sha256=baseline.source_sha256)
                for case in pair.cases
            ),
        )
        return check(self.records(pair), self.records(reference), load_tolerances())

    def explain(self, findings: list[Finding], pair: Pair) -> str:
        """Return the findings in words, with the records they come from."""
        paths = [str(self.settings.out / record.file_name) for record in self.records(pair)]
        return "\n".join([finding.message for finding in findings] + [f"record: {path}" for path in paths])

    def _selected_techniques(self) -> list[Technique]:
        found = self.settings.techniques
        names = self.settings.selected or tuple(found)
        return [techniques.find(found, name) for name in names]

    def _record(self, pair: Pair, case: Case) -> Record:
        settings = self.settings
        if settings.workers > 1:
            import torch

            torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.workers))
        with self._lock(case):
            known = self.folder.find(case, this_machine(settings.workers))
            if known is not None and known.session == settings.session:
                return known
            if known is not None and settings.resume:
                self.resumed.add(case.key)
                return known
            record = run_case(
                case,
                pair.technique,
                pair.dataset,
                data_root=settings.data_root,
                meter_source=settings.meter,
                busy=settings.busy,
                session=settings.session,
                workers=settings.workers,
                progress=self.progress(case),
            )
            self.folder.write(record)
            return record

    @contextmanager
    def _lock(self, case: Case) -> Iterator[None]:
        """Keep two workers from running one case; the system frees the lock of a killed process."""
        if self.settings.workers == 1:
            yield
            return
        folder = self.settings.out / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / case.key).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
