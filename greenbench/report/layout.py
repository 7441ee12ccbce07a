"""Which quantities stand in which table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from greenbench.energy.carbon import PAPER_KG_PER_WEEK_PER_MS, CarbonIntensity
from greenbench.records.record import Record
from greenbench.records.results import Inference
from greenbench.spec.case import Kind
from greenbench.spec.workload import Metric
from greenbench.verdict import quantities as known
from greenbench.verdict.quantities import Quantity


@dataclass(frozen=True)
class Column:
    """One quantity's column.

    Attributes
    ----------
    quantity
        What stands in it.
    heading
        Where it is not the quantity's title; ``{metric}`` stands for the title of the workload's metric.
    note
        A footnote of every table that shows it.
    judged
        Whether a column with the verdict on it follows.
    """

    quantity: Quantity
    heading: str = ""
    note: str = ""
    judged: bool = False

    def title(self, metric: Metric) -> str:
        """Return the heading for a workload."""
        return self.heading.format(metric=metric.title) if self.heading else self.quantity.of(metric).title


@dataclass(frozen=True)
class Layout:
    """The columns of one table.

    Attributes
    ----------
    kind
        Of the cases that it shows.
    title
        Takes one of its records.
    columns
        From left to right.
    """

    kind: Kind
    title: Callable[[Record], str]
    columns: tuple[Column, ...]


def layouts(intensity: CarbonIntensity) -> tuple[Layout, ...]:
    """Return the layouts of all tables."""
    return (
        Layout(
            "training",
            lambda _record: "training",
            (
                Column(known.TRAIN_SCORE, "{metric} train"),
                Column(known.SCORE, "{metric} validation", judged=True),
                Column(known.TRAIN_ENERGY),
                Column(known.TRAIN_TIME),
            ),
        ),
        Layout(
            "inference",
            lambda _record: "inference, single images",
            (
                Column(known.PARAMS),
                Column(
                    known.CONV_MACS,
                    note="FLOPs are counted as the study counts them: one for each multiply-add of the convolutions.",
                ),
                Column(known.LATENCY),
                Column(known.IMAGE_ENERGY),
                Column(
                    known.co2(intensity),
                    note=f"CO₂ is that of a week of video at 30 images a second, at {intensity}.",
                ),
                Column(
                    known.PAPER_CO2,
                    note="CO₂ by the study's formula is the time of an image times "
                    f"{PAPER_KG_PER_WEEK_PER_MS} kg/wk per ms, whatever the energy. The formula is reconstructed from "
                    "the study's tables; compare it with them alone.",
                ),
            ),
        ),
        Layout(
            "inference",
            _batch_title,
            (
                Column(known.BATCH_LATENCY, note="In batches, time and energy are those of one image."),
                Column(known.BATCH_ENERGY),
            ),
        ),
    )


def _batch_title(record: Record) -> str:
    size = record.result.large.batch_size if isinstance(record.result, Inference) else "many"
    return f"inference, batches of {size}"
