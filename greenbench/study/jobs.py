"""What runs in a case's own process: functions of a module, whose arguments say all that they need."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterable, Sequence

from greenbench.errors import UserError
from greenbench.execute.progress import ProgressCallback
from greenbench.execute.run import Bench, open_case_meter, run_case
from greenbench.executors.executor import EXECUTORS, INLINE, PROCESS, RAY, Executor, Inline
from greenbench.executors.process import Processes, supported
from greenbench.records.machine import Machine, this_machine
from greenbench.records.record import Record
from greenbench.spec.case import Case
from greenbench.study.catalog import Catalog, read_shipped
from greenbench.study.dry_runs import dry_run
from greenbench.study.foreign import beside

ROOMS = tuple(f"greenbench.{room}" for room in ("energy", "data", "networks", "nn", "execute"))
"""What a case imports on its way."""


DEADLINE_FACTOR, SHORTEST_DEADLINE_S = 20.0, 600.0
"""A case that takes so many times the longest one of its workload and kind hangs, if it takes this long at all."""


def usual_executor() -> str:
    """Return the name of the one that is used where none is asked for."""
    return PROCESS if supported() else INLINE


def executor_named(name: str, gpu_model: str = "") -> Executor:
    """Return what runs the functions of this module: here, each in a process of its own, or on a Ray cluster.

    Raises
    ------
    UserError
        For an unknown name, or one that cannot be had here.
    """
    kind, _, address = name.partition(":")
    if kind == RAY:
        from greenbench.executors.cluster import OnCluster

        return OnCluster(address, gpu_model, prepare)
    if gpu_model:
        raise UserError(f"--green-gpu chooses among the GPUs of --green-executor {RAY}", "leave it out")
    if name == INLINE:
        return Inline()
    if name != PROCESS:
        raise UserError(f"--green-executor is {name!r}", f"choose one of {', '.join(EXECUTORS)}")
    if not supported():
        raise UserError(
            "this system lacks what a process for each case needs", f"use --green-executor {INLINE}"
        )
    return Processes(prepare)


def prepare() -> None:
    """Import what the others need, and nothing of the user's."""
    import torchvision  # noqa: F401

    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            importlib.import_module(module.name)
    read_shipped()


def run(case: Case, catalog: Catalog, bench: Bench, progress: ProgressCallback) -> Record:
    """Run a case and return its record.

    Raises
    ------
    UserError
        If the files of its technique or workload are not those that the case was made from.
    """
    _share_the_cpu(bench)
    technique, workload = catalog.technique(case.technique), catalog.workloads[case.workload]
    stated = (case.technique_digest, case.workload_digest)
    if stated != (technique.source.digest, workload.source.digest):
        raise UserError(f"the files of {case.id} changed since the run began", "run it again")
    with beside(*catalog.folders(case.technique, case.workload)):
        return run_case(case, technique, workload, bench, progress)


def usual_deadline_s(case: Case, known: Iterable[Record]) -> float | None:
    """Return when a case hangs: long after the time that any of its workload took; None while none is known."""
    alike = [
        record.seconds
        for record in known
        if record.sound
        and record.seconds
        and (record.case.kind, record.case.workload) == (case.kind, case.workload)
    ]
    return max(SHORTEST_DEADLINE_S, DEADLINE_FACTOR * max(alike)) if alike else None


def look(mode: str, bench: Bench, _progress: ProgressCallback) -> tuple[str, Machine]:
    """Return the name of the meter that cases are measured with, and the machine that they run on.

    Raises
    ------
    UserError
        If meter or environment do not do what the mode asks for, or several processes would share the meter.
    """
    from greenbench.execute.modes import numerical_mode

    _share_the_cpu(bench)
    numerical_mode(mode)
    with open_case_meter(bench) as meter:
        if bench.workers > 1 and meter.shared:
            raise UserError(
                f"{bench.workers} workers would count each other's energy: the meter {meter.name} measures the machine's "
                f"{meter.shared}",
                "leave -n out, or use --green-meter none",
            )
        return meter.name, this_machine(bench.workers, bench.cards)


def try_out(cases: Sequence[Case], catalog: Catalog, bench: Bench, progress: ProgressCallback) -> None:
    """Take a step of each of some trainings; see `greenbench.study.dry_runs`."""
    _share_the_cpu(bench)
    dry_run(cases, catalog, bench, progress)


def _share_the_cpu(bench: Bench) -> None:
    if bench.workers > 1:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // bench.workers))
