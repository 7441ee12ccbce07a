"""Run one case: its recipe, its data and a meter in, a record out."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from greenbench.case import Case
from greenbench.datasets import Dataset
from greenbench.energy import open_meter
from greenbench.records.machine import suite_commit, this_machine
from greenbench.paper.setups import SETUPS
from greenbench.protocol import Inputs
from greenbench.recipe import Technique
from greenbench.records.record import SCHEMA, DataFacts, Record, TechniqueFacts
from greenbench.records.results import InferenceResult, ProgressCallback, TrainingResult
from greenbench.tasks import TaskData, baseline_recipe, open_data
from greenbench.tasks.segmentation import backbone_weights


def inference_input(dataset: Dataset, inputs: Inputs) -> tuple[int, int]:
    """Return height and width of the images that a network is profiled on.

    The stated inputs are those of training. Where the study's FLOPs fit another size, ``fitted`` is that.
    """
    setup = SETUPS.get(dataset.name)
    return dataset.image_size if setup is None or inputs == "stated" else setup.fitted_flops_input


def run_case(
    case: Case,
    technique: Technique,
    dataset: Dataset,
    *,
    data_root: Path | None,
    meter_source: str,
    busy: str,
    session: str,
    workers: int = 1,
    progress: ProgressCallback = lambda _: None,
) -> Record:
    """Run a case on this machine and return its record.

    Parameters
    ----------
    case
        What to run.
    technique, dataset
        The things that the case names.
    data_root
        Folder of the data sets that are not shipped.
    meter_source
        See `greenbench.energy.open_meter`.
    busy
        What to do when other programs are on the measured GPU; likewise.
    session
        Name of the whole run.
    workers
        Number of processes that measure side by side.
    progress
        Called now and then while it runs.
    """
    import torch

    from greenbench.profile import profile, synchronize
    from greenbench.train import train

    started_at, start = datetime.now(UTC), time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # Opens the device's context, so that idle power is that of a process at work.
    torch.zeros(1, device=device)
    if case.kind == "inference":
        dataset = replace(dataset, image_size=inference_input(dataset, case.protocol.inference.inputs))
    baseline = baseline_recipe(dataset, case.protocol, data_root)
    recipe = technique(baseline)

    weights = backbone_weights(case.protocol, data_root) if dataset.task == "segmentation" else None
    training: TrainingResult | None = None
    inference: InferenceResult | None = None
    data: TaskData | None = None
    if case.kind == "training":
        data = open_data(dataset, data_root, device)
    # Protocols say float32; cuDNN, left to itself, rounds the inputs of convolutions to TF32's ten bits.
    float32 = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    devices: str | list[str] = "none" if meter_source == "auto" else "first"
    if device.type == "cuda":
        devices = [f"GPU-{torch.cuda.get_device_properties(device).uuid}"]
    with float32, open_meter(meter_source, partial(synchronize, device), devices=devices, busy=busy) as meter:
        idle_s = case.protocol.idle_s
        before = meter.idle(idle_s) if idle_s else None
        if data is not None:
            training = train(
                recipe,
                data,
                meter,
                seed=case.seed,
                device=device,
                training_energy=case.protocol.training_energy,
                evaluate_every=case.protocol.evaluate_every[dataset.name],
                progress=progress,
            )
        else:
            torch.manual_seed(case.seed)
            inference = profile(
                recipe.network(),
                recipe.image_size,
                case.protocol.inference.passes_by_batch_size(dataset.name),
                case.protocol.inference,
                meter,
                seed=case.seed,
                device=device,
                progress=progress,
            )
        if before is not None:
            after = meter.idle(idle_s)
            if training is not None:
                training = replace(training, energy=training.energy.net_of(before, after))
            if inference is not None:
                batches = [
                    replace(b, energy_per_image=b.energy_per_image.net_of(before, after))
                    for b in inference.batches
                ]
                inference = replace(inference, batches=tuple(batches))
    return Record(
        schema=SCHEMA,
        key=case.key,
        case=case,
        machine=this_machine(workers),
        session=session,
        suite_commit=suite_commit(),
        started_at=started_at.isoformat(timespec="seconds"),
        seconds=time.monotonic() - start,
        technique=TechniqueFacts(
            title=technique.title,
            category=technique.category,
            citation=technique.citation,
            file=technique.source,
            card=technique.card,
            code=technique.code,
            changed_fields=baseline.changed_fields(recipe),
        ),
        data=DataFacts(
            title=dataset.title,
            task=dataset.task,
            train_images=data.size("train") if data is not None else None,
            heldout_images=data.size("heldout") if data is not None else None,
            version=data.version if data is not None else None,
            backbone=weights.name if data is not None and weights is not None else None,
        ),
        training=training,
        inference=inference,
    )
