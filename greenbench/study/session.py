"""A study under way: its settings, the records it has, and the runs that it still needs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from greenbench.energy.carbon import CarbonIntensity
from greenbench.energy.neighbors import Neighbors
from greenbench.errors import UserError
from greenbench.execute.progress import ProgressCallback, silent
from greenbench.execute.run import Bench, open_case_meter, run_case
from greenbench.records.conditions import still_valid
from greenbench.records.folder import RecordFolder
from greenbench.records.machine import this_machine
from greenbench.records.record import Record
from greenbench.records.results import Failure
from greenbench.spec.case import Case, Kind, case_of
from greenbench.spec.scale import Scale
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload
from greenbench.study.catalog import Catalog
from greenbench.study.plan import Pair, plan
from greenbench.verdict.tolerances import Miss, below_floor, load_tolerances, misses

ProgressFactory = Callable[[Case], ProgressCallback]


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Attributes
    ----------
    catalog
        What there is to run.
    selected
        Names of the techniques to run, ``a+b`` for compositions; empty for all, or for what the user's files define.
    scale
        How long and how it is measured.
    out
        Folder for records and report.
    seeds
        Runs of each case.
    carbon
        Carbon intensity of the report's CO2 values.
    resume
        Whether records of an earlier run count.
    bench
        Where cases run.
    """

    catalog: Catalog
    selected: tuple[str, ...]
    scale: Scale
    out: Path
    seeds: int
    carbon: CarbonIntensity
    resume: bool
    bench: Bench


class Session:
    """Runs pairs on demand and keeps their records.

    A baseline is run when the first pair needs it, whoever comes first, and only once.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.progress: ProgressFactory = lambda _case: silent
        self.resumed: set[str] = set()
        """Keys of the cases that were taken from an earlier run."""
        self._neighbors: Neighbors | None = None
        self._pairs: dict[Kind, list[Pair]] = {}
        self._known: dict[str, Record] = {}

    @property
    def folder(self) -> RecordFolder:
        """Where the records are."""
        return RecordFolder(self.settings.out)

    @cached_property
    def meter(self) -> str:
        """Name of the meter that cases are measured with.

        Raises
        ------
        UserError
            If it cannot measure on this machine.
        """
        with open_case_meter(self.settings.bench) as meter:
            return meter.name

    def pairs(self, kind: Kind) -> list[Pair]:
        """Return the pairs of the study's matrix."""
        if kind not in self._pairs:
            settings = self.settings
            self._pairs[kind] = plan(
                kind, self._techniques(), self._workloads(), settings.scale, settings.seeds
            )
        return self._pairs[kind]

    def missing_data(self, pair: Pair) -> str | None:
        """Return why a pair's data cannot be read, or None; inference needs no data."""
        if pair[0].kind == "inference":
            return None
        return self.settings.catalog.workloads[pair[0].workload].missing(self.settings.bench.data_root)

    def check(self, pairs: Iterable[Pair]) -> None:
        """Refuse, before the first of some pairs, what can be known: output folder, meter or data that do not work.

        Raises
        ------
        UserError
            Naming it.
        """
        self.folder.check()
        self.meter  # noqa: B018  # opens it, and an assert would not under python -O
        for name in dict.fromkeys(pair[0].workload for pair in pairs if pair[0].kind == "training"):
            self._check_data(self.settings.catalog.workloads[name])

    def _check_data(self, workload: Workload) -> None:
        """Read a workload's data once, where they have to be read from the user's folder."""
        root = self.settings.bench.data_root
        if workload.folder is None or workload.missing(root) is not None:
            return
        import torch

        try:
            workload.data(root, torch.device("cpu"))
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"the data of {workload.name} below {root} cannot be read: {type(error).__name__}: {error}",
                workload.how_to_get,
            ) from error

    def records(self, pair: Pair) -> list[Record]:
        """Return the records of a pair; run what is not there yet."""
        for case in pair:
            if case.key not in self._known:
                self._known[case.key] = self._record(case)
        return [self._known[case.key] for case in pair]

    def misses(self, pair: Pair) -> list[Miss]:
        """Run a pair, and its baseline where needed, and return what is outside its tolerance."""
        catalog = self.settings.catalog
        workload = catalog.workloads[pair[0].workload]
        baseline = catalog.baseline
        reference = tuple(
            case_of(case.kind, baseline, workload, self.settings.scale, case.seed, case.mode) for case in pair
        )
        records, theirs = self.records(pair), self.records(reference)
        found = misses(records, theirs, load_tolerances())
        if pair == reference:
            found += below_floor(records, workload.setting(pair[0].scale))
        return found

    def explain(self, found: list[Miss], pair: Pair) -> str:
        """Return misses in words, with the records that they come from."""
        lines = [miss.message for miss in found]
        for record in self.records(pair):
            lines.append(f"record: {self.settings.out / record.file_name}")
            if isinstance(record.result, Failure) and record.result.traceback:
                lines.append(record.result.traceback)
        return "\n".join(lines)

    def _techniques(self) -> list[Technique]:
        catalog = self.settings.catalog
        given = [name for name in catalog.techniques if name in catalog.given]
        of_files = [catalog.baseline.name, *given] if catalog.given else list(catalog.techniques)
        return [catalog.technique(name) for name in self.settings.selected or of_files]

    def _workloads(self) -> list[Workload]:
        catalog = self.settings.catalog
        given = [workload for name, workload in catalog.workloads.items() if name in catalog.given]
        return given or list(catalog.workloads.values())

    def _record(self, case: Case) -> Record:
        settings = self.settings
        workers = settings.bench.workers
        if workers > 1:
            import torch

            torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
        with self._lock(case):
            machine = this_machine(workers)
            known = self.folder.find(case, machine)
            if known is not None and known.session == settings.bench.session:
                return known
            if known is not None and settings.resume and still_valid(known, case, machine, self.meter):
                self.resumed.add(case.key)
                return known
            record = run_case(
                case,
                settings.catalog.technique(case.technique),
                settings.catalog.workloads[case.workload],
                replace(settings.bench, disturbed=self._others),
                self.progress(case),
            )
            self.folder.write(record)
            return record

    def _others(self) -> str | None:
        """Say which other runs measure on this machine right now."""
        if self._neighbors is None:
            self._neighbors = Neighbors(self.settings.bench.session)
            self._neighbors.__enter__()
        others = self._neighbors.others()
        if not others:
            return None
        return (
            f"another run measured on this machine at the same time (process {', '.join(map(str, others))})"
        )

    @contextmanager
    def _lock(self, case: Case) -> Iterator[None]:
        """Keep two workers from running one case; the system frees the lock of a killed process."""
        if self.settings.bench.workers == 1:
            yield
            return
        folder = self.settings.out / ".locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / case.key).open("w")
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written ({error.strerror})", "choose another folder with --green-out"
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
