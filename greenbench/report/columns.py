"""The columns of the tables: what each takes from a record, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenbench.energy.carbon import CarbonIntensity, co2_kg_per_week, paper_co2_kg_per_week
from greenbench.energy import Reading, Status
from greenbench.records.record import Record
from greenbench.records.results import BatchProfile, InferenceResult, TrainingResult
from greenbench.verdict.statistics import Estimate, estimate
from greenbench.units import MISSING, si

MARKS = {
    Status.MEASURED_SHORT: ("†", "measured over a short time"),
    Status.ESTIMATED: (" est.", "estimated from a stated power, not measured"),
}
"""How a figure is marked that is not a full measurement, and what the mark means."""


@dataclass(frozen=True)
class Column:
    """One column below a data set's name.

    Attributes
    ----------
    title
        Its heading.
    value
        Takes the value of one record; None where it was not measured.
    write
        Writes a mean with its interval.
    more_is_better
        True for what is gained, False for what is paid.
    repeats
        Takes the repeated measurements of one record, where it has such: then the interval is theirs.
    reading
        Takes the energy reading that a value comes from. It gives a single run its interval, and marks what
        is not a full measurement.
    """

    title: str
    value: Callable[[Record], float | None]
    write: Callable[[Estimate], str]
    more_is_better: bool = False
    repeats: Callable[[Record], Sequence[float]] | None = None
    reading: Callable[[Record], Reading | None] = lambda _: None

    def estimate(self, records: Sequence[Record]) -> Estimate | None:
        """Return the mean over the records; None unless every one of them has the value."""
        values = [self.value(record) for record in records]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        if self.repeats is not None:
            repeated = estimate([value for record in records for value in self.repeats(record)])
            # One disturbed repeat widens the interval; it shall not move the figure itself.
            return Estimate(estimate(known).mean, repeated.runs, repeated.half_width)
        if len(known) == 1 and (reading := self.reading(records[0])) and reading.energy_j:
            half_width_j = reading.comparison_uncertainty_j
            share = None if half_width_j is None else half_width_j / reading.energy_j
            return Estimate(known[0], 1, None if share is None else share * known[0])
        return estimate(known)

    def mark(self, records: Sequence[Record]) -> str:
        """Return the mark of a value that is not a full measurement; see `MARKS`."""
        statuses = {reading.status for record in records if (reading := self.reading(record)) is not None}
        return "".join(mark for status, (mark, _) in MARKS.items() if status in statuses)

    def better_or_same(self, value: float, reference: float) -> bool:
        """Whether `value` is at least as good as `reference`."""
        return value >= reference if self.more_is_better else value <= reference


def write_percent(value: Estimate) -> str:
    """Write fractions as ``98.6%``, with the interval of several seeds: ``98.6 ± 0.4%``."""
    if value.half_width is None:
        return f"{100 * value.mean:.1f}%"
    return f"{100 * value.mean:.1f} ± {100 * value.half_width:.1f}%"


def write_quantity(unit: str) -> Callable[[Estimate], str]:
    """Write a quantity with an SI prefix, and the interval of several seeds as a percentage."""

    def write(value: Estimate) -> str:
        text = si(value.mean, unit)
        if value.half_width is None or value.mean == 0:
            return text
        return f"{text} ± {100 * value.half_width / value.mean:.0f}%"

    return write


def write_in(scale: float, decimals: int) -> Callable[[Estimate], str]:
    """Write a mean in the unit that the heading names, as the paper's tables do, with its interval."""

    def write(value: Estimate) -> str:
        text = f"{value.mean / scale:.{decimals}f}"
        return f"{text} ± {value.half_width / scale:.{decimals}f}" if value.half_width else text

    return write


def training_columns(metric_title: str) -> list[Column]:
    """Return the columns of the training table; `metric_title` is ``Accuracy`` or ``mIoU``."""
    return [
        Column(f"{metric_title} train.", _train_metric, write_percent, more_is_better=True),
        Column(f"{metric_title} held out", _heldout_metric, write_percent, more_is_better=True),
        Column(
            "Energy train.",
            _training(lambda t: t.energy.energy_j),
            write_quantity("J"),
            reading=lambda record: record.training.energy if record.training else None,
        ),
        Column("Time train.", _training(lambda t: t.train_seconds), write_quantity("s")),
    ]


def inference_columns(intensity: CarbonIntensity) -> list[Column]:
    """Return the columns of the inference table: single images, and time and energy in a large batch."""
    return [
        Column("Params (M)", _inference(lambda i: i.params), write_in(1e6, 3)),
        Column("FLOPs (G)", _inference(lambda i: i.conv_macs), write_in(1e9, 4)),
        Column("Time (ms)", _batch(0, _latency_ms), write_in(1, 2), repeats=_repeats(0)),
        Column(
            "Energy (J)",
            _batch(0, lambda b: b.energy_per_image.energy_j),
            write_in(1, 3),
            reading=_batch_reading(0),
        ),
        Column(
            "CO₂ (kg/wk)",
            _batch(0, lambda b: co2_kg_per_week(b.energy_per_image.energy_j, intensity)),
            write_in(1, 1),
            reading=_batch_reading(0),
        ),
        Column(
            "CO₂ by the study's formula (kg/wk)",
            _batch(0, lambda b: paper_co2_kg_per_week(b.latency_ms)),
            write_in(1, 1),
        ),
        Column("Time in a large batch (ms)", _batch(-1, _latency_ms), write_in(1, 2), repeats=_repeats(-1)),
        Column(
            "Energy in a large batch (J)",
            _batch(-1, lambda b: b.energy_per_image.energy_j),
            write_in(1, 3),
            reading=_batch_reading(-1),
        ),
    ]


def _latency_ms(batch: BatchProfile) -> float:
    """Return the time of one image."""
    return batch.latency_ms / batch.batch_size


def _batch_reading(index: int) -> Callable[[Record], Reading | None]:
    return lambda record: record.inference.batches[index].energy_per_image if record.inference else None


def _repeats(index: int) -> Callable[[Record], Sequence[float]]:
    def repeats(record: Record) -> Sequence[float]:
        if record.inference is None:
            return ()
        batch = record.inference.batches[index]
        return [median_ms / batch.batch_size for median_ms in batch.repeat_medians_ms]

    return repeats


def cell(column: Column, records: Sequence[Record], baseline: Estimate | None, best: float | None) -> str:
    """Write one cell: bold where same as or better than the baseline, with a star where best of its column."""
    value = column.estimate(records)
    if value is None:
        return MISSING
    text = column.write(value) + column.mark(records)
    if baseline is not None and column.better_or_same(value.mean, baseline.mean):
        text = f"**{text}**"
    return f"{text} ★" if value.mean == best else text


def _train_metric(record: Record) -> float | None:
    training = record.training
    return training.train[training.metric] if training is not None and training.train is not None else None


def _heldout_metric(record: Record) -> float | None:
    training = record.training
    return (
        training.heldout[training.metric] if training is not None and training.heldout is not None else None
    )


def _training(take: Callable[[TrainingResult], float | None]) -> Callable[[Record], float | None]:
    def value(record: Record) -> float | None:
        training = record.training
        return take(training) if training is not None and training.status == "finished" else None

    return value


def _inference(take: Callable[[InferenceResult], float | None]) -> Callable[[Record], float | None]:
    return lambda record: None if record.inference is None else take(record.inference)


def _batch(index: int, take: Callable[[BatchProfile], float | None]) -> Callable[[Record], float | None]:
    return _inference(lambda inference: take(inference.batches[index]))
