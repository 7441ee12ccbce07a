"""Compare a technique's records with its baseline's, within the tolerances of a data file.

Pure: records in, findings out. A finding is a miss.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from greenbench.errors import UserError
from greenbench.records.record import Record
from greenbench.verdict.statistics import estimate, paired_difference


@dataclass(frozen=True)
class Tolerance:
    """One row of tolerances.toml; see there."""

    scale: str
    metric: str
    source: str
    technique: str | None = None
    dataset: str | None = None
    allowed_drop: float | None = None
    allowed_ratio: float | None = None
    minimum: float | None = None

    def matches(self, scale: str, metric: str, technique: str, dataset: str) -> bool:
        """Whether the row applies."""
        return (
            (self.scale, self.metric) == (scale, metric)
            and self.technique in (None, technique)
            and self.dataset in (None, dataset)
        )

    @property
    def specificity(self) -> tuple[bool, bool]:
        """Orders rows that apply alike: a technique's own row counts more than a data set's."""
        return self.technique is not None, self.dataset is not None


@dataclass(frozen=True)
class Finding:
    """A value outside its tolerance.

    Attributes
    ----------
    pair
        Technique and data set: ``mixup-digits``.
    metric
        What was compared.
    value, baseline
        Means over seeds; None where a run has no such value.
    message
        The whole finding in a sentence.
    """

    pair: str
    metric: str
    value: float | None
    baseline: float | None
    message: str


@cache
def load_tolerances() -> tuple[Tolerance, ...]:
    """Return the rows of tolerances.toml."""
    text = resources.files("greenbench").joinpath("tolerances.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return tuple(Tolerance(**row) for kind in ("floor", "change") for row in tables.get(kind, []))


def check(
    records: Sequence[Record], baseline: Sequence[Record], tolerances: Sequence[Tolerance]
) -> list[Finding]:
    """Return what is outside its tolerance; nothing if all is well.

    Parameters
    ----------
    records
        Of one technique on one data set: its seeds.
    baseline
        Of the baseline on the same data set. Equal to `records` when the baseline itself is checked; then it is
        held against its floors.
    tolerances
        From `load_tolerances`.

    Raises
    ------
    UserError
        If the records were made on different machines, protocols or data.
    """
    require_comparable([*records, *baseline])
    case = records[0].case
    is_baseline = case.technique == baseline[0].case.technique
    findings = []
    diverged = [r for r in records if r.training is not None and r.training.status == "diverged"]
    for record in diverged:
        assert record.training is not None
        step = record.training.diverged_at_step
        message = f"{case.id}, seed {record.case.seed}: diverged, the loss of step {step} is not finite"
        findings.append(Finding(case.id, "status", None, None, message))

    ours, theirs = values_by_metric(records), values_by_metric(baseline)
    for metric, values in ours.items():
        matching = [
            t for t in tolerances if t.matches(case.protocol.name, metric, case.technique, case.dataset)
        ]
        kind = [t for t in matching if (t.minimum is not None) == is_baseline]
        if not kind:
            continue
        tolerance = max(kind, key=lambda t: t.specificity)
        mean = estimate(list(values.values())).mean
        if is_baseline:
            finding = _below_floor(case.id, metric, mean, tolerance)
        else:
            difference = paired_difference(values, theirs.get(metric, {}))
            if difference is None:
                continue
            finding = _behind_baseline(case.id, metric, mean, mean - difference.mean, tolerance)
        if finding:
            findings.append(finding)
    return findings


def values_by_metric(records: Sequence[Record]) -> dict[str, dict[int, float]]:
    """Return the compared values by metric and seed; what was not measured is absent."""
    values: dict[str, dict[int, float]] = {}

    def add(metric: str, record: Record, value: float | None) -> None:
        if value is not None:
            values.setdefault(metric, {})[record.case.seed] = value

    for record in records:
        if (training := record.training) is not None and training.heldout is not None:
            add(training.metric, record, training.heldout[training.metric])
            add("energy_j", record, training.energy.energy_j)
        if (inference := record.inference) is not None:
            add("params", record, inference.params)
            add("conv_macs", record, inference.conv_macs)
            add("latency_ms", record, inference.batches[0].latency_ms)
            add("energy_j", record, inference.batches[0].energy_per_image.energy_j)
    return values


def require_comparable(records: Sequence[Record]) -> None:
    """Refuse to compare records that differ in more than technique and seed.

    Raises
    ------
    UserError
        Naming the first key that differs, and both values.
    """
    first = _conditions(records[0])
    for record in records[1:]:
        for key, value in _conditions(record).items():
            if key in first and value != first[key]:
                raise UserError(
                    f"{records[0].case.id} and {record.case.id} cannot be compared: {key} is {first[key]!r} in one "
                    f"and {value!r} in the other; measure both again under the same conditions"
                )


def _conditions(record: Record) -> Mapping[str, object]:
    """Return what must agree; how energy was measured is among it where it was."""
    reading = record.training.energy if record.training is not None else None
    if record.inference is not None:
        reading = record.inference.batches[0].energy_per_image
    machine = {f"machine.{key}": value for key, value in vars(record.machine).items()}
    protocol = {f"protocol.{key}": value for key, value in vars(record.case.protocol).items()}
    return {
        "kind": record.case.kind,
        "dataset": record.case.dataset,
        "data.version": record.data.version,
        "data.backbone": record.data.backbone,
        **protocol,
        **machine,
        **({"energy.method": reading.method} if reading is not None and reading.energy_j is not None else {}),
    }


def _below_floor(pair: str, metric: str, value: float, tolerance: Tolerance) -> Finding | None:
    minimum = tolerance.minimum
    assert minimum is not None
    if value >= minimum:
        return None
    message = f"{pair}: {metric} is {value:.4g}, below the floor of {minimum:.4g} ({tolerance.source})"
    return Finding(pair, metric, value, None, message)


def _behind_baseline(
    pair: str, metric: str, value: float, baseline: float, tolerance: Tolerance
) -> Finding | None:
    if tolerance.allowed_ratio is not None:
        allowed = baseline * tolerance.allowed_ratio
        missed = value > allowed
        bound = f"allowed is {allowed:.4g}, {tolerance.allowed_ratio:g} times the baseline"
    else:
        assert tolerance.allowed_drop is not None
        allowed = baseline - tolerance.allowed_drop
        missed = value < allowed
        bound = f"allowed is {allowed:.4g}, {tolerance.allowed_drop:g} below the baseline"
    if not missed:
        return None
    message = f"{pair}: {metric} is {value:.4g}, the baseline's {baseline:.4g}; {bound} ({tolerance.source})"
    return Finding(pair, metric, value, baseline, message)
