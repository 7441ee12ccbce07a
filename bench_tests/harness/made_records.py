"""Records made up for tests, as if measured."""

import hashlib
import json
from dataclasses import replace

from greenbench.energy import Reading, Status
from greenbench.records.machine import Machine
from greenbench.records.memory import OLDER
from greenbench.records.record import Record, TechniqueFacts, WorkloadFacts
from greenbench.records.results import Batch, Epoch, Failure, Inference, Training
from greenbench.spec.case import Case
from greenbench.spec.workload import ACCURACY

MACHINE = Machine(
    cpu="Test CPU",
    cpu_threads=2,
    gpu=None,
    gpu_uuid=None,
    driver=None,
    torch="2.0",
    torchvision="0.1",
    python="3.11",
    greenbench="0.1",
    workers=1,
)
NOT_MEASURED = Reading(None, Status.NOT_MEASURED, "none", 1.0, "no meter on this machine (test)")
SETTING = {"epochs": 1, "network": {"width": 0.25}}


def reading_of(energy_j, seconds):
    return NOT_MEASURED if energy_j is None else Reading(energy_j, Status.MEASURED, "test", seconds)


def training_result(score, energy_j=None, seconds=2.0, **changes):
    validation = None if score is None else {"accuracy": score}
    reading = reading_of(energy_j, seconds)
    result = Training(
        status="finished",
        steps=10,
        train=validation,
        validation=validation,
        best=score,
        best_epoch=1,
        train_seconds=seconds,
        evaluation_seconds=0.1,
        energy=reading,
        evaluation_energy=NOT_MEASURED,
        curve=(Epoch(1, (12, 12), 0.1, 0.5, seconds, reading, validation),),
    )
    return replace(result, **changes)


def diverged_result(step=7):
    curve = (Epoch(1, (12, 12), 0.1, None, 2.0, NOT_MEASURED, None),)
    return training_result(None, status="diverged", diverged_at_step=step, best_epoch=None, curve=curve)


def inference_result(latency_ms, params=1000, energy_j=None):
    single, large = (
        Batch(
            size,
            60,
            latency_ms * size,
            latency_ms * size,
            latency_ms * size,
            (latency_ms * size,) * 3,
            reading_of(energy_j, 6.0),
        )
        for size in (1, 32)
    )
    return Inference((12, 12), params, 5_000_000, 6_000_000, single, large)


def failure_result(error="ZeroDivisionError: division by zero", stage="training"):
    return Failure(stage, error, "look at own.py, line 3", "Traceback ...")


def record_of(
    technique="baseline",
    result=None,
    *,
    seed=0,
    workload="digits",
    machine=MACHINE,
    started_at="2026-01-01T00:00:00+00:00",
    **facts,
):
    """Return a record; `facts` go to the field of that name, wherever it is."""
    result = training_result(0.9) if result is None else result
    epochs = len(result.curve) if isinstance(result, Training) else 1
    case = Case(
        kind=facts.pop("kind", "inference" if isinstance(result, Inference) else "training"),
        workload=workload,
        workload_digest=facts.pop("workload_digest", "w" * 64),
        scale=facts.pop("scale", "smoke"),
        setting=facts.pop("setting", {**SETTING, "epochs": epochs}),
        technique=technique,
        technique_digest=facts.pop("technique_digest", "0" * 64),
        mode=facts.pop("mode", "paper"),
        seed=seed,
    )
    technique_facts = TechniqueFacts(
        title=facts.pop("title", technique.capitalize()),
        category="Baseline" if technique == "baseline" else "Optimizer",
        citation="Somebody 2020",
        file=f"{technique}.py",
        card=facts.pop("card", f"What {technique} does."),
        code="",
        work_share=facts.pop("work_share", None),
    )
    read = isinstance(result, Training)
    workload_facts = WorkloadFacts(
        title=facts.pop("workload_title", workload.capitalize()),
        task=facts.pop("task", "classification"),
        metric=facts.pop("metric", replace(ACCURACY, per_image=False)),
        num_classes=facts.pop("num_classes", 10),
        image_size=facts.pop("image_size", (12, 12)),
        card=f"What {workload} is.",
        train_images=10 if read else None,
        validation_images=5000 if read else None,
        version=facts.pop("version", "v1") if read else None,
        weights=facts.pop("weights", None),
        best_known=facts.pop("best_known", {}),
    )
    record = Record(
        case=case,
        machine=machine,
        engine=facts.pop("engine", "e" * 64),
        meter=facts.pop("meter", "test"),
        session=facts.pop("session", "s"),
        commit=None,
        started_at=started_at,
        seconds=3.0,
        technique=technique_facts,
        workload=workload_facts,
        result=result,
        disturbed=facts.pop("disturbed", None),
        memory=facts.pop("memory", OLDER),
    )
    assert not facts, f"no record has {', '.join(facts)}"
    return record


def followed(technique, scores, *, seed=0, seconds=1.0, power_w=None, metric=None, targets=(), **changes):
    """Return a training of ten steps an epoch with these scores after its epochs; None where it was not evaluated."""
    name = "accuracy" if metric is None else metric.name
    reading = reading_of(None if power_w is None else power_w * seconds, seconds)
    curve = tuple(
        Epoch(number, (8, 8), 0.1, 0.5, seconds, reading, None if score is None else {name: score})
        for number, score in enumerate(scores, 1)
    )
    last = curve[-1].validation
    whole_s = seconds * len(scores)
    result = training_result(
        None,
        seconds=whole_s,
        steps=10 * len(scores),
        train=last,
        validation=last,
        energy=reading_of(None if power_w is None else power_w * whole_s, whole_s),
        curve=curve,
    )
    facts = {} if metric is None else {"metric": metric}
    record = record_of(technique, replace(result, **changes), seed=seed, **facts)
    return replace(record, workload=replace(record.workload, targets=targets))


def rewritten(path, change):
    """Change the content of a record's file, and give it the digest of what it then is, as a forger would."""
    content = json.loads(path.read_text())
    change(content)
    if content.pop("sha256", None) is not None:
        content["sha256"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(content))
