"""What a study is asked to do, and how it is read from options: those of pytest, and those of the command line."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from greenbench.energy import check_source
from greenbench.energy.budget import read_budget
from greenbench.energy.carbon import DEFAULT_REGION, CarbonIntensity, carbon_intensity
from greenbench.errors import UserError
from greenbench.execute.checkpoint import USUAL_MINUTES, CheckpointPlan
from greenbench.execute.run import Bench
from greenbench.executors.executor import INLINE
from greenbench.spec.case import Case
from greenbench.spec.mode import PAPER, find_mode
from greenbench.spec.scale import DEFAULT_OUT, SMALLEST_SCALE, Scale, find_scale
from greenbench.spec.workload import DATA_ENVIRONMENT_VARIABLE, check_root
from greenbench.study.catalog import Catalog, discover
from greenbench.study.jobs import usual_executor
from greenbench.study.shards import Shard, read_shard
from greenbench.verdict.tolerances import Tolerance, read_tolerances

MOST_SEEDS = 1000

CHECKPOINTS_FOLDER = "checkpoints"
"""Below the output folder: trainings that are not over."""

FEWEST_SEEDS = 2
"""With which a verdict is possible."""


@dataclass(frozen=True)
class Settings:
    """What the user asked for.

    Attributes
    ----------
    catalog
        What there is to run.
    selected
        Names of the techniques to run, ``a+b`` for compositions; empty for the catalog's default.
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
    tolerances
        The user's own, which count before all others.
    partial
        Whether data sets that are not whole may be used.
    mode
        Name of the numerical mode of all cases.
    until_decided
        Whether seeds are added where verdicts are undecided.
    executor
        Where cases run, by name.
    gpu_model
        Which GPUs of a cluster, by Ray's name; empty where it has one model.
    deadline_s
        Seconds after which a case is ended, where it has a process of its own; None for the rule of `Session`.
    shard
        The part of the selected cases that is run; None for all.
    checkpoint_minutes
        Time between two checkpoints of a training; 0 for none.
    """

    catalog: Catalog
    selected: tuple[str, ...]
    scale: Scale
    out: Path
    seeds: int
    carbon: CarbonIntensity
    resume: bool
    bench: Bench
    tolerances: tuple[Tolerance, ...] = ()
    partial: bool = False
    mode: str = PAPER.name
    until_decided: bool = False
    executor: str = INLINE
    gpu_model: str = ""
    deadline_s: float | None = None
    checkpoint_minutes: float = USUAL_MINUTES
    shard: Shard | None = None

    def checkpoint(self, case: Case) -> CheckpointPlan | None:
        """Return where and when a case is saved on its way; None for one that is not."""
        if case.kind != "training" or not self.checkpoint_minutes:
            return None
        # Without the digests: a checkpoint of another version of the files is found, and refused in words.
        place = replace(case, technique_digest="", workload_digest="").key
        folder = self.out / CHECKPOINTS_FOLDER / f"{case.id}-seed{case.seed}-{place}"
        return CheckpointPlan(folder, self.checkpoint_minutes, self.resume)


class Options:
    """Options of a command that has some of pytest's, named as there; those that it does not have are None."""

    def __init__(self, **given: Any) -> None:
        self._given = given

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("green_"):
            raise AttributeError(name)
        return self._given.get(name)


def settings_of(
    option: Any, here: Path, session: str, workers: int = 1, cards: Sequence[str] = ()
) -> Settings:
    """Return what options ask for.

    Parameters
    ----------
    option
        Has an attribute for each option, named as in the plugin: ``green_scale``; None where it was not given.
    here
        Folder that paths are relative to.
    session
        Name of the whole run.
    workers
        Its measuring processes.
    cards
        UUIDs of the GPUs that they share, one for each; none where they do not.

    Raises
    ------
    UserError
        For an option that makes no sense.
    """
    scale = find_scale(
        option.green_scale or SMALLEST_SCALE,
        option.green_training_energy,
        option.green_inputs,
        option.green_weights,
        option.green_vary,
    )
    root = option.green_data or os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    if option.green_download and not root:
        raise UserError("--green-download has no folder to put data into", "give one with --green-data")
    catalog = _catalog([here / file for file in option.green_file or ()])
    collections = [name for chosen in option.green_collection or () for name in catalog.collection(chosen)]
    selected = tuple(dict.fromkeys([*collections, *(option.green_technique or ())]))
    for name in selected:
        catalog.technique(name)
    seeds = _seeds(option.green_seeds, scale.seeds)
    if option.green_until and seeds < FEWEST_SEEDS:
        raise UserError(
            f"--green-until decided begins with {seeds} seed, which gives no verdict",
            f"give --green-seeds {FEWEST_SEEDS} or more",
        )
    return Settings(
        catalog=catalog,
        selected=selected,
        scale=scale,
        out=here / (option.green_out or DEFAULT_OUT),
        seeds=seeds,
        until_decided=bool(option.green_until),
        carbon=carbon_intensity(DEFAULT_REGION if option.green_carbon is None else option.green_carbon),
        resume=option.green_resume,
        bench=Bench(
            data_root=check_root(here / root) if root else None,
            meter=check_source(option.green_meter or "auto"),
            busy=option.green_on_busy or "fail",
            session=session,
            workers=workers,
            cards=tuple(cards),
        ),
        partial=option.green_partial,
        mode=find_mode(option.green_mode).name,
        executor=option.green_executor or usual_executor(),
        gpu_model=option.green_gpu or "",
        deadline_s=_deadline_s(option.green_deadline),
        checkpoint_minutes=_minutes(option.green_checkpoint),
        shard=None if option.green_shard is None else read_shard(option.green_shard),
        tolerances=() if option.green_tolerances is None else read_tolerances(here / option.green_tolerances),
    )


def _catalog(files: Sequence[Path]) -> Catalog:
    catalog = discover(files)
    if files and not catalog.given:  # never the whole matrix in their place
        raise UserError("\n".join(map(str, catalog.faults)))
    return catalog


def _deadline_s(text: str | None) -> float | None:
    if text is None or text == "none":
        return math.inf if text else None
    try:
        return read_budget({"time": text}).time_s
    except UserError as error:
        raise UserError(
            f"--green-deadline is {text!r}",
            "give a time above 0 with its unit, such as 90s, 30min or 2h, or none",
        ) from error


def _minutes(text: str | None) -> float:
    if text is None:
        return USUAL_MINUTES
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < math.inf:
        raise UserError(f"--green-checkpoint is {text!r}", "give minutes, such as 10 or 0.5, or 0 for none")
    return minutes


def _seeds(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SEEDS:
        raise UserError(
            f"--green-seeds is {text!r}", f"give the number of runs of each case, 1 to {MOST_SEEDS}"
        )
    return int(text)
