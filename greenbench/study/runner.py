"""Runs the cases of a study where they are to run, and says what that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from greenbench.energy.neighbors import Neighbors
from greenbench.errors import Interrupted
from greenbench.execute.checkpoint import CheckpointPlan
from greenbench.execute.notes import Notes
from greenbench.execute.progress import ProgressCallback, silent
from greenbench.execute.requests import ENDED, Requests
from greenbench.execute.run import Bench
from greenbench.executors.executor import Lost
from greenbench.records.machine import Machine
from greenbench.records.memory import PROCESS, PeakMemory
from greenbench.records.record import Record
from greenbench.records.results import LOST, Failure
from greenbench.spec.case import Case
from greenbench.study.carried import Carried
from greenbench.study.jobs import executor_named, look, run, try_out, usual_deadline_s
from greenbench.study.settings import Settings

ProgressFactory = Callable[[Case | str], ProgressCallback]
"""Takes a case, or what else is under way."""


class Runner:
    """Where the cases of a study run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._executor = executor_named(settings.executor, settings.gpu_model)
        self._catalog = Carried(settings.catalog) if self._executor.is_elsewhere else settings.catalog
        self._neighbors: Neighbors | None = None
        self.progress: ProgressFactory = lambda _case: silent

    @cached_property
    def _bench(self) -> Bench:
        found = self._executor.side_by_side()
        bench = self._settings.bench
        return bench if found is None else replace(bench, workers=found.workers, cards=found.cards)

    @cached_property
    def _looked(self) -> tuple[str, Machine]:
        # Where cases have processes of their own, this one must not open a GPU: it would be a stranger on it.
        return self._executor.call(look, self._settings.mode, self._bench)

    @property
    def meter(self) -> str:
        """Name of the meter that cases are measured with; `UserError` if it cannot measure on this machine."""
        return self._looked[0]

    @property
    def machine(self) -> Machine:
        """What cases run on."""
        return self._looked[1]

    @property
    def saves(self) -> bool:
        """Whether a training is saved on its way: its checkpoints are in the output folder."""
        return not self._executor.is_elsewhere

    def try_out(self, cases: Sequence[Case]) -> None:
        """Take a step of each of some trainings; `UserError` for what cannot be trained or evaluated."""
        arguments = (cases, self._catalog, self._bench)
        self._executor.call(try_out, *arguments, progress=self.progress("dry run"))

    def ahead(self, cases: Iterable[Case]) -> None:
        """Say which cases will be run: those that run elsewhere begin, as many at a time as there is room for."""
        if self._executor.is_elsewhere:
            for case in cases:
                self._executor.ahead(case.key, run, case, self._catalog, self._bench)

    def waiting(self, requests: Requests) -> AbstractContextManager[None]:
        """Let a request to end wait for the case, which is then saved, where it can be."""
        return requests.waiting() if self.saves else nullcontext()

    def record(
        self,
        case: Case,
        known: Iterable[Record],
        requests: Requests,
        weights: Path | None,
        checkpoint: CheckpointPlan | None,
    ) -> Record:
        """Run a case and return its record.

        Parameters
        ----------
        known
            Records of the study, which tell when a case hangs.
        weights, checkpoint
            See `Bench`.
        """
        disturbed = self._others()
        record = self._run(
            case, known, requests, replace(self._bench, weights=weights, checkpoint=checkpoint)
        )
        return replace(record, disturbed=disturbed or self._others())

    def _run(self, case: Case, known: Iterable[Record], requests: Requests, bench: Bench) -> Record:
        settings = self._settings
        technique = settings.catalog.technique(case.technique)
        notes = Notes(case, technique, settings.catalog.workloads[case.workload], bench.session)
        try:
            return self._executor.call(
                run,
                case,
                self._catalog,
                bench,
                name=case.key,
                progress=self.progress(case),
                deadline_s=settings.deadline_s or usual_deadline_s(case, known),
            )
        except Lost as lost:
            if requests.end:  # which ended that process, too
                raise Interrupted(ENDED) from lost
            failure = Failure(LOST, lost.problem, lost.next_step, lost.output)
            unknown = PeakMemory(None, PROCESS, reason="its process told nothing")
            return notes.record(self.machine, failure, unknown)

    def _others(self) -> str | None:
        """Say which other runs measure on this machine right now."""
        if self._executor.is_elsewhere:
            return None
        if self._neighbors is None:
            self._neighbors = Neighbors(self._settings.bench.session)
            self._neighbors.__enter__()
        others = self._neighbors.others()
        if not others:
            return None
        return (
            f"another run measured on this machine at the same time (process {', '.join(map(str, others))})"
        )

    def close(self) -> None:
        """End what cases run in."""
        self._executor.close()
