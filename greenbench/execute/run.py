"""Run one case: its recipe, its data and a meter in, a record out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenbench.energy import Meter, open_meter
from greenbench.errors import NotApplicable, UserError
from greenbench.execute.checkpoint import CheckpointPlan, Checkpoints, identity_of
from greenbench.execute.facts import data_facts
from greenbench.execute.notes import Notes
from greenbench.execute.progress import ProgressCallback, silent
from greenbench.records.machine import this_machine
from greenbench.records.record import Record
from greenbench.records.results import Cost, Inference, Result, Skipped, Training
from greenbench.spec.case import RANDOM, TILES, Case, Kind
from greenbench.spec.mode import find_mode
from greenbench.spec.recipe import Inputs, Recipe
from greenbench.spec.scale import VARY_ALL
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Data, Workload

if TYPE_CHECKING:
    import torch

    from greenbench.execute.trainer import Trainer


@dataclass(frozen=True)
class Bench:
    """Where a case runs.

    Attributes
    ----------
    data_root
        Folder of the data that do not come with the package, or None.
    meter
        Name of the energy source; see `greenbench.energy.open_meter`.
    busy
        What to do when other programs are on the measured GPU: ``fail``, ``wait`` or ``mark``.
    session
        Name of the whole run.
    workers
        Processes of the run that measure side by side.
    cards
        UUIDs of the GPUs that they have, one each; none where they share what there is.
    weights
        File that a training leaves its judged weights in, and that the inference of a trained network reads; None where
        networks are measured as they are built.
    checkpoint
        Where and when a training is saved on its way, or None.
    """

    data_root: Path | None = None
    meter: str = "auto"
    busy: str = "fail"
    session: str = ""
    workers: int = 1
    cards: tuple[str, ...] = ()
    weights: Path | None = None
    checkpoint: CheckpointPlan | None = None


def run_case(
    case: Case, technique: Technique, workload: Workload, bench: Bench, progress: ProgressCallback = silent
) -> Record:
    """Run a case on this machine and return its record; a case that fails leaves one, too.

    Parameters
    ----------
    case
        What to run.
    technique, workload
        What the case names.
    bench
        Where it runs.
    progress
        Called now and then while it runs.

    Raises
    ------
    Interrupted
        If SIGTERM ended it. There is no record then.
    """
    from greenbench.data.allocation import keep_freed_memory
    from greenbench.execute.failures import Attempt, failure_of
    from greenbench.execute.memory import leaving_nothing, watch_memory

    notes = Notes(case, technique, workload, bench.session)
    keep_freed_memory()
    peak_memory = watch_memory(training_device())
    try:
        with notes.requests.listening(), leaving_nothing():
            result = _RUN[case.kind](case, technique, workload, bench, notes, progress)
    except NotApplicable as error:
        result = Skipped(" ".join(error.problem.split()))
    except (Exception, SystemExit) as error:
        attempt = Attempt(case.id, case.mode, notes.batch_size, (technique.source.name, workload.source.name))
        result = failure_of(notes.stage, error, attempt, peak_memory())
    return notes.record(this_machine(bench.workers, bench.cards), result, peak_memory())


def open_case_meter(bench: Bench) -> Meter:
    """Open the meter that cases are measured with.

    Raises
    ------
    UserError
        If it cannot measure on this machine.
    """
    from greenbench.execute.inference import synchronize

    device = training_device()
    devices: str | list[str] = "none" if bench.meter == "auto" else "first"
    if device.type == "cuda":
        import torch

        # Opens the device's context, so that idle power is that of a process at work.
        torch.zeros(1, device=device)
        devices = [f"GPU-{torch.cuda.get_device_properties(device).uuid}"]
    return open_meter(bench.meter, partial(synchronize, device), devices=devices, busy=bench.busy)


def training_device() -> torch.device:
    """Return the device that cases run on: the first visible GPU, or else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _train(
    case: Case,
    technique: Technique,
    workload: Workload,
    bench: Bench,
    notes: Notes,
    progress: ProgressCallback,
) -> Training:
    from greenbench.execute.train import train
    from greenbench.execute.weights import save_weights

    recipe = _recipe(case, technique, workload, bench, notes)
    notes.batch_size = recipe.batch_size
    device = training_device()
    notes.stage = "data"
    data = workload.data_at(case.scale, bench.data_root, device)
    notes.data = data_facts(workload, case.scale, data, bench.data_root)
    with _measuring(case, bench, notes) as (meter, net_of_idle):
        notes.stage = "training"
        trainer = trainer_of(case, recipe, data, device)
        checkpoints = None
        if bench.checkpoint is not None:
            identity = identity_of(case, this_machine(bench.workers, bench.cards), meter.name)
            checkpoints = Checkpoints(bench.checkpoint, identity, notes.requests, notes.start)
        try:
            training = train(
                trainer,
                meter,
                workload.metric,
                training_energy=case.setting["training_energy"],
                evaluate_every=case.setting["evaluate_every"],
                progress=progress,
                checkpoints=checkpoints,
            )
        except NotApplicable as error:
            if trainer.step:  # what has been trained is not skipped without a word
                raise UserError(error.problem, error.next_step) from error
            raise
        idle = net_of_idle()
    if checkpoints is not None:
        notes.earlier_s = checkpoints.earlier_s
    if bench.weights is not None:
        save_weights(bench.weights, trainer.judged_weights())
    return replace(training, energy=idle(training.energy))


def _infer(
    case: Case,
    technique: Technique,
    workload: Workload,
    bench: Bench,
    notes: Notes,
    progress: ProgressCallback,
) -> Inference:
    import torch

    from greenbench.execute.inference import Passes, measure_inference
    from greenbench.execute.trainer import finished
    from greenbench.execute.weights import read_weights

    plan = Passes(**{f.name: case.setting[f.name] for f in fields(Passes)})
    notes.batch_size = plan.large_batch
    size = case.setting["image_size"]
    stated = replace(workload, image_size=(size[0], size[1])) if size else workload
    recipe = _recipe(case, technique, stated, bench, notes)
    generator = torch.Generator().manual_seed(case.seed)

    def example(batch_size: int) -> Inputs:
        return workload.example(batch_size, recipe.image_size, generator, bench.data_root)

    with _measuring(case, bench, notes) as (meter, net_of_idle):
        notes.stage = "inference"
        torch.manual_seed(case.seed)
        network = recipe.network()
        if bench.weights is not None:
            network.load_state_dict(read_weights(bench.weights))
        inference = measure_inference(
            finished(recipe, network),
            example,
            plan,
            meter,
            device=training_device(),
            mode=find_mode(case.mode),
            progress=progress,
        )
        idle = net_of_idle()
    single, large = (
        replace(batch, energy_per_image=idle(batch.energy_per_image))
        for batch in (inference.single, inference.large)
    )
    return replace(inference, single=single, large=large)


def _cost(
    case: Case,
    technique: Technique,
    workload: Workload,
    bench: Bench,
    notes: Notes,
    progress: ProgressCallback,
) -> Cost:
    from greenbench.execute.cost import measure_cost
    from greenbench.execute.made_up import random_images

    recipe = _recipe(case, technique, workload, bench, notes)
    notes.batch_size = recipe.batch_size
    device = training_device()
    made_up = (
        random_images(notes.read, case.scale, recipe, device) if case.setting["data"] == RANDOM else None
    )
    with _measuring(case, bench, notes) as (meter, _):
        with meter.window("set-up") as window:
            notes.stage = "data"
            data = made_up or workload.data_at(case.scale, bench.data_root, device)
            notes.data = data_facts(workload, case.scale, data, bench.data_root)
            notes.stage = "cost"
            trainer = trainer_of(case, recipe, data, device)
        return measure_cost(
            trainer,
            meter,
            window.reading,
            device=device,
            evaluate_every=case.setting["evaluate_every"],
            progress=progress,
        )


_RUN: dict[Kind, Callable[..., Result]] = {"training": _train, "inference": _infer, "cost": _cost}


def _recipe(case: Case, technique: Technique, workload: Workload, bench: Bench, notes: Notes) -> Recipe:
    notes.stage = "data"
    workload = notes.read = workload.read(bench.data_root)
    notes.stage = "recipe"
    baseline = workload.recipe(case.scale, bench.data_root)
    recipe = technique(baseline)
    notes.changed_fields = baseline.changed_fields(recipe)
    return recipe


def trainer_of(case: Case, recipe: Recipe, data: Data, device: torch.device) -> Trainer:
    """Return what trains as a case says; its images are evaluated whole or by tiles."""
    from greenbench.execute.trainer import Trainer

    tile = recipe.image_size if case.setting.get("evaluation") == TILES else None
    return Trainer(
        recipe,
        data,
        seed=case.seed,
        vary=case.setting.get("vary", VARY_ALL),
        device=device,
        tile=tile,
        mode=find_mode(case.mode),
    )


@contextmanager
def _measuring(
    case: Case, bench: Bench, notes: Notes
) -> Iterator[tuple[Meter, Callable[[], Callable[..., Any]]]]:
    """Run inside in the case's numerical mode, with a meter.

    The second value measures idle power again, after the work, and returns what tells a reading's idle energy apart.
    """
    from greenbench.execute.modes import numerical_mode

    notes.stage = "meter"
    with numerical_mode(case.mode), open_case_meter(bench) as meter:
        notes.meter = meter.name
        idle_s = case.setting["idle_s"]
        before = meter.idle(idle_s) if idle_s else None

        def net_of_idle() -> Callable[..., Any]:
            if before is None:
                return lambda reading: reading
            after = meter.idle(idle_s)
            return lambda reading: reading.net_of(before, after)

        yield meter, net_of_idle
