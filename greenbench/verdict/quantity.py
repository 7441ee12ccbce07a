"""What one thing that is measured is called, how it is written, judged, and taken from a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from greenbench.energy.reading import Reading
from greenbench.records.record import Record
from greenbench.spec.case import Kind
from greenbench.spec.workload import Metric

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Quantity:
    """One thing that is measured.

    Attributes
    ----------
    name
        As in tolerances, verdicts and options: ``train_energy_j``.
    title
        Heading of its column; ``{metric}`` stands for the title of the workload's metric.
    kind
        Of the cases that have it.
    table
        The report's table that shows it: ``training``, ``single`` (images), ``batch``, ``cost`` or ``imported``.
    unit
        ``%`` for fractions, an SI unit that takes prefixes, or empty.
    better
        Which direction is good.
    take
        Takes the value from a record; None where it was not measured.
    scale, digits
        For columns whose heading names the unit: values are divided by `scale` and written with that many decimals.
        Without digits, they are written with an SI prefix.
    exact
        Whether it is counted, so that equal runs give equal values and one run is enough.
    repeats
        Takes the repeated measurements of one record, where it has such: then the interval is theirs.
    reading
        Takes the energy reading that the value comes from.
    half_width
        Takes half of the 95 % interval of one record's value, where neither repeats nor a reading have it.
    unknown
        Takes the reason why the value is not there, where no reading says it.
    note
        A footnote of every table that shows it.
    headline
        Whether its verdict has a column beside it.
    """

    name: str
    title: str
    kind: Kind
    table: Literal["training", "single", "batch", "cost", "imported"]
    unit: str
    better: Better
    take: Callable[[Record], float | None]
    scale: float = 1.0
    digits: int | None = None
    exact: bool = False
    repeats: Callable[[Record], Sequence[float]] | None = None
    reading: Callable[[Record], Reading | None] | None = None
    half_width: Callable[[Record], float | None] | None = None
    unknown: Callable[[Record], str | None] | None = None
    note: str = ""
    headline: bool = False

    @property
    def is_score(self) -> bool:
        """Whether it is the workload's metric, and not a cost."""
        return self.name in ("score", "train_score")

    @property
    def is_timed(self) -> bool:
        """Whether another program on the machine changes it."""
        return not self.exact and not self.is_score

    def of(self, metric: Metric) -> Quantity:
        """Return the quantity with the metric's title, unit and direction, where it stands for the metric."""
        if "{metric}" not in self.title:
            return self
        return replace(
            self, title=self.title.format(metric=metric.title), unit=metric.unit, better=metric.better
        )

    def why_missing(self, record: Record) -> str | None:
        """Return why a record has no value, where it says so."""
        if self.reading is None:
            return self.unknown(record) if self.unknown is not None else None
        reading = self.reading(record)
        return reading.reason if reading is not None and reading.energy_j is None else None

    def by_seed(self, records: Sequence[Record]) -> dict[int, float]:
        """Return the values of records by seed; what was not measured is absent."""
        values = {record.case.seed: self.take(record) for record in records}
        return {seed: value for seed, value in values.items() if value is not None}
