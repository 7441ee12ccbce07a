"""A pair's records in a few words: for JUnit's file and for logs."""

from __future__ import annotations

from collections.abc import Sequence

from greenbench.records.record import Record
from greenbench.records.results import Failure, Training
from greenbench.spec.case import Kind
from greenbench.verdict.cost_quantities import COST_ENERGY, COST_MEMORY, COST_TIME, IMAGES_PER_SECOND
from greenbench.verdict.quantities import (
    IMAGE_ENERGY,
    INFERENCE_MEMORY,
    LATENCY,
    SCORE,
    TRAIN_ENERGY,
    TRAIN_MEMORY,
    TRAIN_TIME,
    Quantity,
)
from greenbench.verdict.statistics import estimate

COLUMNS: dict[Kind, dict[str, Quantity]] = {
    "training": {
        "score": SCORE,
        "energy_j": TRAIN_ENERGY,
        "time_s": TRAIN_TIME,
        "memory_bytes": TRAIN_MEMORY,
    },
    "inference": {"energy_j": IMAGE_ENERGY, "time_ms": LATENCY, "memory_bytes": INFERENCE_MEMORY},
    "cost": {
        "energy_j": COST_ENERGY,
        "time_s": COST_TIME,
        "images_per_s": IMAGES_PER_SECOND,
        "memory_bytes": COST_MEMORY,
    },
}


def headline(records: Sequence[Record]) -> dict[str, str]:
    """Return status, metric, and the means over seeds of what matters most; what is not measured says why."""
    first = records[0]
    found = {"status": _status(records), "metric": first.workload.metric.name}
    for name, quantity in COLUMNS[first.case.kind].items():
        values = list(quantity.by_seed(records).values())
        found[name] = f"{estimate(values).mean:.6g}" if values else _why_not(quantity, first)
    return found | {"records": " ".join(record.file_name for record in records)}


def _status(records: Sequence[Record]) -> str:
    for record in records:
        if isinstance(record.result, Failure):
            return "failed"
        if isinstance(record.result, Training) and record.result.status != "finished":
            return record.result.status
    return "finished"


def _why_not(quantity: Quantity, record: Record) -> str:
    reason = quantity.why_missing(record)
    return f"not measured: {reason}" if reason else "not measured"
