"""Values that a record cannot hold together: signs of an edit, or of a fault in whatever wrote it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from greenbench.energy.reading import Reading
from greenbench.records.record import Record
from greenbench.records.results import Cost, Imported, Inference, Point, Training
from greenbench.spec.workload import Metric

SLACK = 1e-9
"""Relative; values are written with all their digits."""

SUM_SLACK = 1e-6
"""Likewise, for sums of many values."""


def contradiction(record: Record) -> str | None:
    """Return the first thing in a record that cannot be, or None."""
    return next(_all(record), None)


def _all(record: Record) -> Iterator[str]:
    result = record.result
    yield from _negative(
        {"seconds of the case": record.seconds, "bytes of peak memory": record.memory.peak_bytes}
    )
    if isinstance(result, Training):
        yield from _scores(record, result)
        yield from _course(record, result)
        yield from _spent(record, result)
    elif isinstance(result, Inference):
        yield from _inference(result)
    elif isinstance(result, Cost):
        yield from _cost(result)
    elif isinstance(result, Imported):
        yield from _imported(record, result)


def _scores(record: Record, training: Training) -> Iterator[str]:
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
        if values is not None:
            yield from _score(metric, where, values, images)
    if training.validation != (training.curve[-1].validation if training.curve else None):
        yield "its final metrics are not those of its last epoch"
    if training.best is None or not evaluated:
        return
    seen = {epoch.epoch: (epoch.validation or {})[metric.name] for epoch in evaluated}
    best = (max if metric.better == "higher" else min)(seen.values())
    if not math.isclose(best, training.best, rel_tol=SLACK, abs_tol=SLACK):
        yield f"its best {metric.name} is {training.best}, and its curve's is {best}"
    of_epoch = seen.get(training.best_epoch or 0)
    if of_epoch is None or not math.isclose(best, of_epoch, rel_tol=SLACK, abs_tol=SLACK):
        yield f"its best epoch is {training.best_epoch}, where {metric.name} is {of_epoch}, and its best is {best}"


def _score(metric: Metric, where: str, values: Mapping[str, float], images: int | None) -> Iterator[str]:
    if metric.name not in values:
        yield f"{metric.name} of {where} is missing"
    value = values[metric.name]
    if not math.isfinite(value):
        yield f"{metric.name} of {where} is {value}"
    if metric.unit == "%" and not 0 <= value <= 1:
        yield f"{metric.name} of {where} is {value}, not between 0 and 1"
    if metric.per_image and images and abs(value * images - round(value * images)) > 1e-6 * images:
        yield f"{metric.name} of {where} is {value}, which {images} images cannot give"


def _course(record: Record, training: Training) -> Iterator[str]:
    """Yield what cannot be of the epochs and steps, and of how the run ended."""
    epochs, finished = len(training.curve), training.status == "finished"
    if [epoch.epoch for epoch in training.curve] != list(range(1, epochs + 1)):
        yield f"its epochs are {', '.join(str(epoch.epoch) for epoch in training.curve) or 'none'}, not 1, 2, ..."
    planned = record.case.setting.get("epochs")
    if planned is not None and "epochs" not in record.technique.changed_fields:
        if epochs > planned:
            yield f"it has {epochs} epochs, and its recipe {planned}"
        if finished and epochs < planned:
            yield f"it is finished after {epochs} epochs, and its recipe has {planned}"
    if not epochs or training.steps <= 0 or training.steps % epochs:
        yield f"it took {training.steps} steps in {epochs} epochs, which is no whole number in each"
    step = training.diverged_at_step
    if finished and (step is not None or training.validation is None or training.train is None):
        yield "it is finished, and diverged or has no final metrics"
    if not finished and (step is None or not 0 < step <= training.steps or training.validation is not None):
        yield f"it diverged, and has final metrics or no step from 1 to {training.steps} at which it did"
    unfinished = [epoch.epoch for epoch in training.curve if epoch.train_loss is None]
    if unfinished and (finished or unfinished != [epochs]):
        yield f"it went on after epoch {unfinished[0]}, whose loss was not finite"


def _spent(record: Record, training: Training) -> Iterator[str]:
    """Yield what cannot be of times and energies."""
    yield from _negative({"seconds of training": training.train_seconds})
    yield from _negative({"seconds of evaluation": training.evaluation_seconds})
    yield from _reading("training", training.energy)
    yield from _reading("evaluation", training.evaluation_energy)
    for epoch in training.curve:
        yield from _negative({f"seconds of epoch {epoch.epoch}": epoch.seconds})
        yield from _reading(f"epoch {epoch.epoch}", epoch.energy)
    parts = [epoch.energy for epoch in training.curve]
    spent_s = math.fsum(epoch.seconds for epoch in training.curve)
    if training.teacher is not None:
        yield from _reading("the teacher", training.teacher)
        parts.append(training.teacher)
        spent_s += training.teacher.seconds
    if not math.isclose(spent_s, training.train_seconds, rel_tol=SUM_SLACK, abs_tol=SUM_SLACK):
        yield f"its training time is {training.train_seconds} s, and its parts took {spent_s} s"
    whole_j, energies_j = training.energy.energy_j, [part.energy_j for part in parts]
    if whole_j is None or record.case.setting.get("training_energy") != "all" or None in energies_j:
        return
    spent_j = math.fsum(energy_j or 0.0 for energy_j in energies_j)
    if not math.isclose(spent_j, whole_j, rel_tol=SUM_SLACK):
        yield f"its training energy is {whole_j} J, and its parts took {spent_j} J"


def _inference(inference: Inference) -> Iterator[str]:
    yield from _negative(
        {
            "parameters": inference.params,
            "multiply-adds": inference.full_macs,
            "multiply-adds of convolutions": inference.conv_macs,
        }
    )
    if inference.single.batch_size != 1:
        yield f"a single image is one of {inference.single.batch_size}"
    for where, batch in (("a single image", inference.single), ("a batch", inference.large)):
        latencies_ms = batch.latency_low_ms, batch.latency_ms, batch.latency_high_ms
        if not (0 < latencies_ms[0] <= latencies_ms[1] <= latencies_ms[2] < math.inf):
            yield f"the time of {where} has the median {latencies_ms[1]} ms and the quartiles {latencies_ms[::2]} ms"
        repeats_ms = batch.repeat_medians_ms
        # The median of all passes lies between the least and the largest median of their parts.
        if repeats_ms and not min(repeats_ms) * (1 - SLACK) <= batch.latency_ms <= max(repeats_ms) * (
            1 + SLACK
        ):
            yield f"the time of {where} has the median {batch.latency_ms} ms, and its repeats {repeats_ms} ms"
        yield from _reading(where, batch.energy_per_image)


def _cost(cost: Cost) -> Iterator[str]:
    yield from _negative(
        {
            "steps": cost.steps,
            "measured steps": cost.measured_steps,
            "images in a second": cost.images_per_s,
            "seconds of training": cost.train_seconds,
        }
    )
    for where, reading in (
        ("training", cost.energy),
        ("evaluation", cost.evaluation),
        ("set-up", cost.setup),
    ):
        yield from _reading(where, reading)


def _imported(record: Record, imported: Imported) -> Iterator[str]:
    places: tuple[Imported | Point, ...] = (imported, *imported.curve)
    for place in places:
        if record.workload.metric.unit == "%" and not 0 <= (place.score or 0.0) <= 1:
            yield f"its score is {place.score}, not between 0 and 1"
        yield from _negative({name: getattr(place, name) for name in ("energy_j", "seconds", "steps")})
    for name in ("score", "energy_j", "seconds", "steps"):
        if imported.curve and getattr(imported, name) != getattr(imported.curve[-1], name):
            yield f"its {name} is not that of its last epoch"


def _reading(where: str, reading: Reading) -> Iterator[str]:
    yield from _negative({f"joules of {where}": reading.energy_j, f"seconds of {where}": reading.seconds})


def _negative(values: Mapping[str, float | None]) -> Iterator[str]:
    """Yield which of some amounts are below 0, or no number; None was not measured."""
    for what, value in values.items():
        if value is not None and not 0 <= value < math.inf:
            yield f"the {what} are {value}"
