"""A study under way: its settings, the records it has, and the runs that it still needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from greenbench.errors import Interrupted, UserError
from greenbench.execute.requests import ENDED, Requests
from greenbench.records.conditions import still_valid
from greenbench.records.folder import RecordFolder
from greenbench.records.machine import Machine
from greenbench.records.record import Record
from greenbench.records.results import LOST, Failure, Skipped
from greenbench.spec.case import Case, Kind, case_of, on_random_images
from greenbench.spec.scale import TRAINED
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload
from greenbench.study.apart import apart
from greenbench.study.datasets import require_whole
from greenbench.study.foreign import beside, quietly
from greenbench.study.locking import locked, reserved
from greenbench.study.plan import Pair, changed_fields, plan
from greenbench.study.queue import queue
from greenbench.study.runner import ProgressFactory, Runner
from greenbench.study.settings import Settings as Settings
from greenbench.verdict.misses import Miss, below_floor, misses
from greenbench.verdict.tolerances import load_tolerances, own_rows

WEIGHTS_FOLDER = "weights"
"""Below the output folder: trained weights, where inference is measured on them."""

LOOKS = 5
"""At verdicts, at most, where seeds are added until they are decided."""


class Session:
    """Runs pairs on demand and keeps their records.

    A baseline is run when the first pair needs it, whoever comes first, and only once.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.before: list[Callable[[Case], None]] = []
        """Called before a case is run, which they may refuse by an error."""
        self.after: list[Callable[[Record], None]] = []
        """Called with the record of a case that was run, when it is written."""
        self.expect: Callable[[int], None] = lambda _cases: None
        """Called with the number of cases that will be run, as far as it is known."""
        self.resumed: set[str] = set()
        """Keys of the cases that were taken from an earlier run."""
        self.judged: list[Pair] = []
        """The whole pairs that were held against their tolerances, in turn."""
        self._runner = Runner(settings)
        self._reserved = ExitStack()
        self._pairs: dict[Kind, list[Pair]] = {}
        self._known: dict[str, Record] = {}
        self._refused: dict[str, Failure] = {}
        """By workload: why its data cannot be used, as its first case found."""

    @property
    def folder(self) -> RecordFolder:
        """Where the records are."""
        return RecordFolder(self.settings.out)

    @property
    def progress(self) -> ProgressFactory:
        """What shows how far a case is."""
        return self._runner.progress

    @progress.setter
    def progress(self, factory: ProgressFactory) -> None:
        self._runner.progress = factory

    @property
    def meter(self) -> str:
        """Name of the meter that cases are measured with; `UserError` if it cannot measure on this machine."""
        return self._runner.meter

    @property
    def machine(self) -> Machine:
        """What cases run on."""
        return self._runner.machine

    def close(self) -> None:
        """End the processes that cases run in, and let other runs have the output folder."""
        self._runner.close()
        self._reserved.close()

    def pairs(self, kind: Kind) -> list[Pair]:
        """Return the pairs of the study's matrix."""
        if kind not in self._pairs:
            settings = self.settings
            matrix = kind, self._techniques(), self._workloads(), settings.scale, settings.seeds
            pairs = plan(*matrix, self._changes, settings.mode)
            self._pairs[kind] = pairs if kind != "cost" else [self._on_what_is_there(pair) for pair in pairs]
        return self._pairs[kind]

    def missing_data(self, pair: Pair) -> str | None:
        """Return why a pair's data cannot be read, or None where they can, or where inference needs none."""
        workload = self.settings.catalog.workloads[pair[0].workload]
        return workload.missing(self.settings.bench.data_root) if self.needs_data(pair) else None

    def _on_what_is_there(self, pair: Pair) -> Pair:
        workload = self.settings.catalog.workloads[pair[0].workload]
        missing = workload.missing(self.settings.bench.data_root) and not self.needs_data(pair)
        return tuple(map(on_random_images, pair)) if missing else pair

    def needs_data(self, pair: Pair) -> bool:
        """Whether a pair cannot do without data."""
        workload = self.settings.catalog.workloads[pair[0].workload]
        return pair[0].kind == "training" or self._needs_training(pair[0]) or workload.facts is not None

    def check(self, pairs: Iterable[Pair]) -> None:
        """Refuse, before the first of some pairs, what can be known.

        Compositions in which one part undoes another, and environment, output folder, meter or data that do not work; at
        scales with dry runs, what cannot be trained or evaluated.

        Raises
        ------
        UserError
            Naming it.
        """
        pairs = list(pairs)
        for pair in pairs:
            self._check_composition(pair[0])
        self.folder.check()
        self.meter  # noqa: B018  # opens it, and an assert would not under python -O
        training = [pair[0] for pair in pairs if pair[0].kind == "training" or self._needs_training(pair[0])]
        faults = []
        for name in dict.fromkeys(case.workload for case in training):
            try:
                self._check_data(name)
            except UserError as error:
                faults.append(error)
        if faults:
            raise faults[0] if len(faults) == 1 else UserError("\n".join(map(str, faults)))
        if self.settings.scale.dry_run:
            self._runner.try_out(self._to_train(pairs))
        self._reserved.close()
        if pairs:
            self._reserved.enter_context(reserved(self.settings.out))

    def begin(self, pairs: Iterable[Pair]) -> None:
        """Take what an earlier run finished of some pairs and their baselines; the others begin, where they run elsewhere."""
        if self.settings.bench.workers > 1:  # it is them that run cases
            return
        there = [pair for pair in pairs if self.missing_data(pair) is None]
        cases = queue(there, self._baseline, self.settings.catalog.workloads)
        needed = [case for case in cases if not self._finished(case)]
        self.expect(len(needed))
        self._runner.ahead(needed)

    def _to_train(self, pairs: Iterable[Pair]) -> list[Case]:
        """Return what is still to be trained for some pairs and their baselines, one seed of each."""
        found: dict[str, Case] = {}
        for case in (case for pair in pairs if self.missing_data(pair) is None for case in pair):
            for needed in (case, self._baseline(case)):
                if needed.kind == "training" or self._needs_training(needed):
                    training = needed if needed.kind == "training" else self._training(needed)
                    if not self._finished(training):
                        found.setdefault(replace(training, seed=0).key, training)
        return list(found.values())

    def _check_composition(self, case: Case) -> None:
        catalog = self.settings.catalog
        if len(catalog.parts(case.technique)) > 1:
            self._changes(catalog.technique(case.technique), catalog.workloads[case.workload])

    def _check_data(self, name: str) -> None:
        """Read a workload's data once; what a user's file does fails its cases alone."""
        settings = self.settings
        if name not in settings.catalog.given:
            workload, root = settings.catalog.workloads[name], settings.bench.data_root
            require_whole(workload, root, settings.scale.name, partial=settings.partial)

    def records(self, pair: Pair) -> list[Record]:
        """Return the records of a pair; run what is not there yet."""
        for case in pair:
            if case.key not in self._known:
                self._known[case.key] = self._record(case)
            if self._known[case.key].session != self.settings.bench.session:
                self.resumed.add(case.key)
        return [self._known[case.key] for case in pair]

    def skipped(self, pair: Pair) -> str | None:
        """Run a pair, and return why it does not apply, or None where any of its cases has something to do."""
        reasons = [r.result.reason for r in self.records(pair) if isinstance(r.result, Skipped)]
        return f"{pair[0].id}: not applicable: {reasons[0]}" if len(reasons) == len(pair) else None

    def misses(self, pair: Pair) -> list[Miss]:
        """Run a pair, and its baseline where needed, and return what is outside its tolerance.

        Of some seeds of a pair, only those without a result are returned: tolerances are for the mean of all.
        """
        if len(pair) < self.settings.seeds:
            return misses(self.records(pair), [], [])
        catalog = self.settings.catalog
        workload = catalog.workloads[pair[0].workload]
        self.judged.append(pair)
        reference = self.reference(pair)
        records, theirs = self.records(pair), self.records(reference)
        own = own_rows(self.settings.scale.name, *catalog.parts(pair[0].technique), workload)
        found = misses(records, theirs, [*self.settings.tolerances, *own, *load_tolerances()])
        if pair == reference:
            found += below_floor(records, workload.setting(pair[0].scale))
        return found

    def reference(self, pair: Pair) -> Pair:
        """Return the baseline's cases under the conditions of a pair."""
        return tuple(map(self._baseline, pair))

    def _techniques(self) -> list[Technique]:
        catalog = self.settings.catalog
        return [catalog.technique(name) for name in self.settings.selected or catalog.default]

    def _workloads(self) -> list[Workload]:
        catalog = self.settings.catalog
        given = [workload for name, workload in catalog.workloads.items() if name in catalog.given]
        return given or list(catalog.workloads.values())

    def _changes(self, technique: Technique, workload: Workload) -> tuple[str, ...]:
        settings = self.settings
        find = partial(changed_fields, technique, workload, settings.scale, settings.bench.data_root)
        folders = settings.catalog.folders(technique.name, workload.name)
        with beside(*folders), quietly():
            return apart(find, ()) if folders else find()

    def _record(self, case: Case) -> Record:
        settings = self.settings
        with locked(settings.out, case.key) if settings.bench.workers > 1 else nullcontext():
            if self._finished(case):
                return self._known[case.key]
            if self._needs_training(case):
                self.records((self._training(case),))
            elif case.kind == "training":
                self._refuse_again(case)
            for refuse in self.before:
                refuse(case)
            requests = Requests()
            with requests.listening(), self._runner.waiting(requests):
                record = self._measured(case, requests)
            if requests.end:
                raise Interrupted(ENDED)
            failure = record.result
            # Without a traceback: refused in a sentence, which the next case would come to as well, after hours.
            if isinstance(failure, Failure) and failure.stage == "data" and not failure.traceback:
                self._refused[case.workload] = failure
            return record

    def _measured(self, case: Case, requests: Requests) -> Record:
        """Run a case and keep its record."""
        checkpoint = self.settings.checkpoint(case) if self._runner.saves else None
        record = self._runner.record(case, self._known.values(), requests, self._weights(case), checkpoint)
        if self.settings.until_decided:
            record = replace(record, looks=LOOKS)
        self.folder.write(record)
        for remark in getattr(record.result, "remarks", ()):
            warnings.warn(f"{case.id}: {remark}", stacklevel=2)
        lost = isinstance(record.result, Failure) and record.result.stage == LOST
        if checkpoint is not None and not lost:  # it may have been killed: the next try goes on
            checkpoint.remove()
        for tell in self.after:
            tell(record)
        return record

    def _finished(self, case: Case) -> bool:
        """Whether a case need not be run; then its record is known."""
        if case.key not in self._known:
            found = self._usable(case)
            if found is None:
                return False
            self._known[case.key] = found
        return True

    def _usable(self, case: Case) -> Record | None:
        """Return the record of a case that need not be run, or None."""
        settings, weights = self.settings, self._weights(case)
        known = self.folder.find(case, self.machine)
        if known is None or known.session == settings.bench.session:
            return known
        complete = case.kind != "training" or weights is None or weights.is_file()
        valid = settings.resume and complete and still_valid(known, case, self.machine, self.meter)
        return known if valid else None

    def _baseline(self, case: Case) -> Case:
        """Return the baseline's case under the conditions of a case."""
        baseline = self.settings.catalog.baseline
        return replace(case, technique=baseline.name, technique_digest=baseline.source.digest)

    def _refuse_again(self, case: Case) -> None:
        """Raise `UserError` for a case whose data have been refused already."""
        known = self._refused.get(case.workload)
        if known is not None:
            raise UserError(f"the data of {case.workload} cannot be used: {known.error}", known.next_step)

    def _needs_training(self, case: Case) -> bool:
        return case.kind == "inference" and self.settings.scale.inference.weights == TRAINED

    def _training(self, case: Case) -> Case:
        """Return the training that gives the weights of a case."""
        catalog = self.settings.catalog
        technique, workload = catalog.technique(case.technique), catalog.workloads[case.workload]
        return case_of("training", technique, workload, self.settings.scale, case.seed, case.mode)

    def _weights(self, case: Case) -> Path | None:
        """Return the file of a case's trained weights, where they are used."""
        if self.settings.scale.inference.weights != TRAINED:
            return None
        return self.settings.out / WEIGHTS_FOLDER / f"{self._training(case).key}.pt"
