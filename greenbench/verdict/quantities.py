"""The one table of what is measured: how each quantity is called, written, judged, and taken from a record.

Tables, figures, tolerances, verdicts and the plugin read values through it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from greenbench.energy.carbon import (
    PAPER_KG_PER_WEEK_PER_MS,
    CarbonIntensity,
    co2_kg_per_week,
    paper_co2_kg_per_week,
)
from greenbench.energy.reading import Reading
from greenbench.errors import UserError
from greenbench.records.record import Record
from greenbench.records.results import Batch, Imported, Inference, Training
from greenbench.spec.case import IMPORTED
from greenbench.verdict.cost_quantities import COST_QUANTITIES
from greenbench.verdict.imported_quantities import (
    IMPORTED_COLUMNS,
    IMPORTED_ENERGY,
    IMPORTED_SCORE,
    IMPORTED_TIME,
    STEPS,
)
from greenbench.verdict.quantity import Quantity as Quantity


def _train_score(record: Record) -> float | None:
    return _score(record, "train")


def _validation_score(record: Record) -> float | None:
    return IMPORTED_SCORE.take(record) if _is_imported(record) else _score(record, "validation")


def _is_imported(record: Record) -> bool:
    return isinstance(record.result, Imported)


def _score(record: Record, split: Literal["train", "validation"]) -> float | None:
    result = record.result
    if not isinstance(result, Training):
        return None
    values: Mapping[str, float] = (result.train if split == "train" else result.validation) or {}
    return values.get(record.workload.metric.name)


def _training(
    take: Callable[[Training], float | None], imported: Quantity | None = None
) -> Callable[[Record], float | None]:
    """Take a cost from a run that went to its end: a part of a run is no cost of the whole."""

    def value(record: Record) -> float | None:
        if imported is not None and _is_imported(record):
            return imported.take(record)
        result = record.result
        return take(result) if isinstance(result, Training) and result.status == "finished" else None

    return value


def _inference(take: Callable[[Inference], float | None]) -> Callable[[Record], float | None]:
    return lambda record: take(record.result) if isinstance(record.result, Inference) else None


def _latency_ms(batch: Batch) -> float:
    """Return the time of one image."""
    return batch.latency_ms / batch.batch_size


def _repeats(batch: Callable[[Inference], Batch]) -> Callable[[Record], Sequence[float]]:
    def repeats(record: Record) -> Sequence[float]:
        if not isinstance(record.result, Inference):
            return ()
        measured = batch(record.result)
        return [median_ms / measured.batch_size for median_ms in measured.repeat_medians_ms]

    return repeats


def _energy_of(batch: Callable[[Inference], Batch]) -> Callable[[Record], Reading | None]:
    return lambda record: (
        batch(record.result).energy_per_image if isinstance(record.result, Inference) else None
    )


def _training_energy(record: Record) -> Reading | None:
    return record.result.energy if isinstance(record.result, Training) else None


def _single(inference: Inference) -> Batch:
    return inference.single


def _large(inference: Inference) -> Batch:
    return inference.large


def _trained_memory(record: Record) -> float | None:
    result = record.result
    finished = isinstance(result, Training) and result.status == "finished"
    return record.memory.peak_bytes if finished else None


def _inference_memory(record: Record) -> float | None:
    return record.memory.peak_bytes if isinstance(record.result, Inference) else None


def _unknown_memory(record: Record) -> str | None:
    return record.memory.reason


MEMORY_NOTE = (
    "Peak memory is the most that the whole case took: what torch allocated on a GPU, and else the resident set of the "
    "process, which holds Python and all libraries."
)

SCORE = Quantity(
    "score",
    "{metric} validation",
    "training",
    "training",
    "%",
    "higher",
    _validation_score,
    headline=True,
)
TRAIN_SCORE = Quantity("train_score", "{metric} train", "training", "training", "%", "higher", _train_score)
TRAIN_ENERGY = Quantity(
    "train_energy_j",
    "Energy",
    "training",
    "training",
    "J",
    "lower",
    _training(lambda training: training.energy.energy_j, IMPORTED_ENERGY),
    reading=_training_energy,
)
TRAIN_TIME = Quantity(
    "train_time_s",
    "Time",
    "training",
    "training",
    "s",
    "lower",
    _training(lambda training: training.train_seconds, IMPORTED_TIME),
)
TRAIN_MEMORY = Quantity(
    "train_memory_bytes",
    "Peak memory",
    "training",
    "training",
    "B",
    "lower",
    _trained_memory,
    unknown=_unknown_memory,
    note=MEMORY_NOTE,
)
PARAMS = Quantity(
    "params",
    "Params (M)",
    "inference",
    "single",
    "",
    "lower",
    _inference(lambda i: i.params),
    scale=1e6,
    digits=3,
    exact=True,
)
CONV_MACS = Quantity(
    "conv_macs",
    "FLOPs (G)",
    "inference",
    "single",
    "",
    "lower",
    _inference(lambda i: i.conv_macs),
    scale=1e9,
    digits=4,
    exact=True,
    note="FLOPs are counted as the study counts them: one for each multiply-add of the convolutions.",
)
LATENCY = Quantity(
    "latency_ms",
    "Time (ms)",
    "inference",
    "single",
    "ms",
    "lower",
    _inference(lambda i: _latency_ms(i.single)),
    digits=2,
    repeats=_repeats(_single),
)
IMAGE_ENERGY = Quantity(
    "image_energy_j",
    "Energy (J)",
    "inference",
    "single",
    "J",
    "lower",
    _inference(lambda i: i.single.energy_per_image.energy_j),
    digits=3,
    reading=_energy_of(_single),
)
PAPER_CO2 = Quantity(
    "paper_co2_kg",
    "CO₂, study's formula (kg/wk)",
    "inference",
    "single",
    "kg/wk",
    "lower",
    _inference(lambda i: paper_co2_kg_per_week(i.single.latency_ms)),
    digits=1,
    note=f"CO₂ by the study's formula is the time of an image times {PAPER_KG_PER_WEEK_PER_MS} kg/wk per ms, whatever "
    "the energy. The formula is reconstructed from the study's tables; compare it with them alone.",
)
BATCH_LATENCY = Quantity(
    "batch_latency_ms",
    "Time (ms)",
    "inference",
    "batch",
    "ms",
    "lower",
    _inference(lambda i: _latency_ms(i.large)),
    digits=2,
    repeats=_repeats(_large),
    note="In batches, time and energy are those of one image.",
)
BATCH_ENERGY = Quantity(
    "batch_energy_j",
    "Energy (J)",
    "inference",
    "batch",
    "J",
    "lower",
    _inference(lambda i: i.large.energy_per_image.energy_j),
    digits=3,
    reading=_energy_of(_large),
)
INFERENCE_MEMORY = Quantity(
    "inference_memory_bytes",
    "Peak memory",
    "inference",
    "batch",
    "B",
    "lower",
    _inference_memory,
    unknown=_unknown_memory,
    note=MEMORY_NOTE,
)

QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        TRAIN_SCORE,
        SCORE,
        TRAIN_ENERGY,
        TRAIN_TIME,
        TRAIN_MEMORY,
        PARAMS,
        CONV_MACS,
        LATENCY,
        IMAGE_ENERGY,
        BATCH_LATENCY,
        BATCH_ENERGY,
        INFERENCE_MEMORY,
        *COST_QUANTITIES,
        STEPS,
    )
}
"""What verdicts and tolerances are about, by name."""


def co2_quantity(intensity: CarbonIntensity) -> Quantity:
    """Return the CO2 of a week of video at a carbon intensity."""
    return Quantity(
        "co2_kg",
        "CO₂ (kg/wk)",
        "inference",
        "single",
        "kg/wk",
        "lower",
        _inference(lambda i: co2_kg_per_week(i.single.energy_per_image.energy_j, intensity)),
        digits=1,
        reading=_energy_of(_single),
        note=f"CO₂ is that of a week of video at 30 images a second, at {intensity}.",
    )


def shown_quantities(intensity: CarbonIntensity) -> tuple[Quantity, ...]:
    """Return what tables show: all quantities, imported ones, and the CO2 of a week of video at a carbon intensity."""
    return (*IMPORTED_COLUMNS, *QUANTITIES.values(), co2_quantity(intensity), PAPER_CO2)


def quantities_of(record: Record, among: Iterable[Quantity]) -> list[Quantity]:
    """Return those of a record's kind, in the words of its workload's metric; imported runs have those of trainings."""
    kind = "training" if record.case.kind == IMPORTED else record.case.kind
    return [quantity.of(record.workload.metric) for quantity in among if quantity.kind == kind]


def find_quantity(name: str) -> Quantity:
    """Return the quantity of that name; `UserError` for one that is unknown."""
    if name not in QUANTITIES:
        raise UserError(f"quantity {name!r} is unknown", f"choose one of {', '.join(QUANTITIES)}")
    return QUANTITIES[name]
