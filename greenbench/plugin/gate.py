"""Baselines of a run: ``--green-save``, ``--green-compare`` and ``--green-fail``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenbench.errors import UserError
from greenbench.records.baselines import baseline_folder, find_baseline, read_runs, save_baseline
from greenbench.records.folder import RecordFolder
from greenbench.records.record import Record
from greenbench.spec.scale import STUDY
from greenbench.verdict.limits import Limit, read_limits

if TYPE_CHECKING:
    from greenbench.study.session import Session


class Gate:
    """Compares a run's records with a baseline, and keeps them as one.

    Raises
    ------
    UserError
        For options that make no sense, and a baseline that is not there.
    """

    def __init__(self, config: pytest.Config, session: Session) -> None:
        option, here = config.option, config.invocation_params.dir
        self._limits: Sequence[Limit] = ()
        self._judges = option.green_fail is not None
        self._strict: bool = option.green_strict
        self._out: Path = session.settings.out
        self._session = session.settings.bench.session
        self._name: str | None = option.green_compare
        self._kept = None if option.green_save is None else baseline_folder(option.green_save, here)
        self._before: list[Record] = []
        self._left_out: list[str] = []
        if self._judges and self._name in (None, STUDY):
            why = (
                "has no baseline to compare with"
                if self._name is None
                else "cannot judge by the published study"
            )
            raise UserError(
                f"--green-fail {why}", "name a baseline or a folder of records with --green-compare"
            )
        if self._name not in (None, STUDY):
            folder = find_baseline(self._name or "", here)
            if folder.resolve() == self._out.resolve():
                raise UserError(
                    f"--green-compare and the output folder are both {folder}",
                    "give another folder with --green-out",
                )
            self._before, unreadable = read_runs(folder)
            self._left_out = [f"left out of the baseline: {file.path}: {file.reason}" for file in unreadable]
            metrics = {w.metric.name: w.metric for w in session.settings.catalog.workloads.values()}
            metrics |= {record.workload.metric.name: record.workload.metric for record in self._before}
            self._limits = read_limits(option.green_fail, metrics)

    def finish(self, names: Collection[str]) -> tuple[list[str], bool]:
        """Compare and keep the session's records, and those of the files named; return lines, and whether the run fails.

        What fails is not kept: a baseline must not take a loss over.
        """
        found = RecordFolder(self._out).read()[0]
        # What was added behind the last test is of this session, and what was kept of an earlier run is named.
        records = [record for record in found if record.session == self._session or record.file_name in names]
        lines, failure = self._compared(records) if self._name is not None else ([], "")
        sound = [record for record in records if record.sound]
        if self._kept is not None and sound and not failure:
            save_baseline(sound, self._kept)
            lines.append(f"{len(sound)} records are kept in {self._kept}")
        elif self._kept is not None:
            lines.append(
                f"no record is kept in {self._kept}: {'the gate failed' if sound else 'there is none'}"
            )
        return lines, bool(failure)

    def _compared(self, records: list[Record]) -> tuple[list[str], str]:
        from greenbench.report.changes import changes

        if self._name == STUDY:
            from greenbench.paper.effects import effects
            from greenbench.report.effects import effect_lines

            return effect_lines(effects(records)), ""
        try:
            found = changes(self._before, records, self._limits, strict=self._strict)
        except UserError as error:
            return [f"failed: nothing was compared: {error}"], str(error)
        lines = [*found.lines(self._name or ""), *self._left_out]
        if not self._judges or not found.failure:
            return lines, ""
        return [*lines, f"failed: {found.failure}"], found.failure
