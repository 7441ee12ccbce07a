"""Values that a record cannot hold together: signs of an edit, or of a fault in whatever wrote it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from greenbench.records.record import Record
from greenbench.records.results import Imported, Point, Training

SLACK = 1e-9
"""Relative; values are written with all their digits."""


def contradiction(record: Record) -> str | None:
    """Return the first thing in a record that cannot be, or None."""
    result = record.result
    if isinstance(result, Imported):
        return next(_imported(record, result), None)
    return next(_training(record, result), None) if isinstance(result, Training) else None


def _imported(record: Record, imported: Imported) -> Iterator[str]:
    share = record.workload.metric.unit == "%"
    places: tuple[Imported | Point, ...] = (imported, *imported.curve)
    for where in places:
        if share and where.score is not None and not 0 <= where.score <= 1:
            yield f"its score is {where.score}, not between 0 and 1"
        for name in ("energy_j", "seconds", "steps"):
            if (value := getattr(where, name)) is not None and value < 0:
                yield f"its {name} is {value}"
    for name in ("score", "energy_j", "seconds", "steps"):
        if imported.curve and getattr(imported, name) != getattr(imported.curve[-1], name):
            yield f"its {name} is not that of its last epoch"


def _training(record: Record, training: Training) -> Iterator[str]:
    metric = record.workload.metric
    evaluated = [epoch for epoch in training.curve if epoch.validation is not None]
    validation_images, train_images = record.workload.validation_images, record.workload.train_images
    # As many training images are evaluated as there are validation images, or all of them where there are fewer.
    evaluated_train = min(filter(None, (validation_images, train_images)), default=None)
    for where, values, images in (
        ("train", training.train, evaluated_train),
        ("validation", training.validation, validation_images),
        *((f"epoch {epoch.epoch}", epoch.validation, validation_images) for epoch in evaluated),
    ):
        if values is None:
            continue
        if metric.name not in values:
            yield f"{metric.name} of {where} is missing"
        value = values[metric.name]
        if not math.isfinite(value):
            yield f"{metric.name} of {where} is {value}"
        if metric.unit == "%" and not 0 <= value <= 1:
            yield f"{metric.name} of {where} is {value}, not between 0 and 1"
        if metric.per_image and images and abs(value * images - round(value * images)) > 1e-6 * images:
            yield f"{metric.name} of {where} is {value}, which {images} images cannot give"
    if training.validation != (training.curve[-1].validation if training.curve else None):
        yield "its final metrics are not those of its last epoch"
    if training.best is not None and evaluated:
        values_seen = [(epoch.validation or {})[metric.name] for epoch in evaluated]
        best = (max if metric.better == "higher" else min)(values_seen)
        if not math.isclose(best, training.best, rel_tol=SLACK, abs_tol=SLACK):
            yield f"its best {metric.name} is {training.best}, and its curve's is {best}"
    spent = sum(epoch.seconds for epoch in training.curve) + (
        training.teacher.seconds if training.teacher else 0.0
    )
    if not math.isclose(spent, training.train_seconds, rel_tol=1e-6, abs_tol=1e-6):
        yield f"its training time is {training.train_seconds} s, and its parts took {spent} s"
