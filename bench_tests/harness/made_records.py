"""Records made up for tests, as if measured."""

from dataclasses import replace

from greenbench.case import Case
from greenbench.energy import Reading, Status
from greenbench.records.machine import Machine
from greenbench.protocol import PROTOCOLS
from greenbench.records.record import SCHEMA, DataFacts, Record, TechniqueFacts
from greenbench.records.results import BatchProfile, Epoch, InferenceResult, TrainingResult

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


def training_result(accuracy, energy_j=None, seconds=2.0, **changes):
    reading = NOT_MEASURED
    if energy_j is not None:
        reading = Reading(energy_j, Status.MEASURED, "test", seconds)
    heldout = {"accuracy": accuracy}
    result = TrainingResult(
        status="finished",
        metric="accuracy",
        steps=10,
        diverged_at_step=None,
        train={"accuracy": accuracy},
        heldout=heldout,
        best_heldout=accuracy,
        best_epoch=1,
        train_seconds=seconds,
        evaluation_seconds=0.1,
        energy=reading,
        evaluation_energy=NOT_MEASURED,
        curve=(Epoch(1, (12, 12), 0.1, 0.5, seconds, heldout),),
    )
    return replace(result, **changes)


def inference_result(latency_ms, params=1000, energy_j=None):
    reading = NOT_MEASURED
    if energy_j is not None:
        reading = Reading(energy_j, Status.MEASURED, "test", 6.0)
    batches = tuple(
        BatchProfile(
            size, 60, latency_ms * size, latency_ms * size, latency_ms * size, (latency_ms,) * 3, reading
        )
        for size in (1, 32)
    )
    return InferenceResult((12, 12), params, 5_000_000, 6_000_000, batches)


def record_of(
    technique="baseline",
    result=None,
    *,
    seed=0,
    dataset="digits",
    machine=MACHINE,
    started_at=None,
    **facts,
):
    result = training_result(0.9) if result is None else result
    training = result if isinstance(result, TrainingResult) else None
    kind = "training" if training else "inference"
    protocol = replace(PROTOCOLS["smoke"], **facts.pop("protocol", {}))
    case = Case(kind, technique, "0" * 64, dataset, protocol, seed)
    return Record(
        schema=SCHEMA,
        key=case.key,
        case=case,
        machine=machine,
        session=facts.pop("session", "s"),
        suite_commit=None,
        started_at=started_at or "2026-01-01T00:00:00+00:00",
        seconds=3.0,
        technique=TechniqueFacts(
            title=technique.capitalize(),
            category="Baseline" if technique == "baseline" else "Optimizer",
            citation="Somebody 2020",
            file=f"{technique}.py",
            card=f"What {technique} does.",
            code="",
            changed_fields=(),
        ),
        data=DataFacts("Digits", "classification", 10, 5, facts.pop("version", "v1")),
        training=training,
        inference=None if training else result,
    )
