"""What a reader must know about the figures of a table, each remark once."""

from __future__ import annotations

from collections.abc import Iterator

from greenbench.energy.carbon import PAPER_KG_PER_WEEK_PER_MS, CarbonIntensity
from greenbench.energy import Reading
from greenbench.records.record import Record
from greenbench.report.columns import MARKS
from greenbench.report.group import Group
from greenbench.tasks.segmentation import BACKBONE_WEIGHTS

WORTH_TELLING = 0.01
"""By how much an earlier epoch must be better than the last one."""


def notes_on(group: Group, intensity: CarbonIntensity) -> list[str]:
    """Return the remarks below a group's tables."""
    records = [record for pair in group.records.values() for record in pair]
    notes = [*_energy_notes(records)]
    if any(record.inference for record in records):
        notes.append(f"CO₂ of a week of video at 30 images a second, at {intensity}.")
        notes.append(
            f"CO₂ by the study's formula is latency times {PAPER_KG_PER_WEEK_PER_MS} kg/wk per ms, whatever the "
            "energy (reconstructed from its tables, comparable with them alone)."
        )
        notes.append(_inference_inputs(group, records))
    notes += _backbones(group, records)
    for record in records:
        training, case = record.training, record.case
        if training is not None and training.status == "diverged":
            step = training.diverged_at_step
            notes.append(f"{case.id}, seed {case.seed}: diverged, the loss of step {step} was not finite.")
    if better := [*_better_epochs(records)]:
        notes.append(f"Better in an earlier epoch by more than a point: {', '.join(better)}.")
    if group.superseded:
        notes.append(f"{group.superseded} older records of cases that were measured again are left out.")
    return notes


def _readings(record: Record) -> list[Reading]:
    if record.training is not None:
        return [record.training.energy]
    return [batch.energy_per_image for batch in record.inference.batches] if record.inference else []


def _energy_notes(records: list[Record]) -> Iterator[str]:
    readings = [(record, reading) for record in records for reading in _readings(record)]
    for reason in sorted({reading.reason or "" for _, reading in readings if reading.energy_j is None}):
        yield f"–: energy was not measured: {reason}."
    for status, (mark, meaning) in MARKS.items():
        marked = [(record, reading) for record, reading in readings if reading.status == status]
        if marked:
            record, reading = marked[0]
            yield f"{mark.strip()}: {meaning}; {record.case.id}, for one: {reading.reason or reading.method}."
    scaled = [(record, reading) for record, reading in readings if record.training and reading.scaled_by != 1]
    if scaled:
        record, reading = scaled[0]
        yield f"Training energy is scaled from a part of the run; {record.case.id}, for one: {reading.reason}."
    gains = [r.uncertainty.gain_j / r.energy_j for _, r in readings if r.uncertainty and r.energy_j]
    if gains:
        yield (
            "Intervals of energy are for comparisons on this machine; as absolute figures they carry another "
            f"{200 * max(gains):.0f}% (95 %) for the calibration of the sensor."
        )


def _inference_inputs(group: Group, records: list[Record]) -> str:
    """Return one sentence on the images that networks were profiled on."""
    seen = {record.data.title: record.inference for record in records if record.inference is not None}
    sizes = [
        f"{title} {result.input_size[0]}x{result.input_size[1]}, large batch {result.batches[-1].batch_size}"
        for title, result in seen.items()
    ]
    return f"Inference on random images, inputs as {group.protocol.inference.inputs}: {'; '.join(sizes)}."


def _backbones(group: Group, records: list[Record]) -> Iterator[str]:
    """Say what full-size segmentation networks started from: the study's started from ImageNet weights."""
    if group.protocol.width != 1:
        return
    for weights in sorted(
        {r.data.backbone or "" for r in records if r.training and r.data.task == "segmentation"}
    ):
        origin = (
            f"from {weights}"
            if weights
            else f"from random weights, {BACKBONE_WEIGHTS} was not in the data root"
        )
        yield f"The backbones for segmentation started {origin}."


def _better_epochs(records: list[Record]) -> Iterator[str]:
    """Name the runs whose best epoch beats the last: the tables show the last."""
    for record in records:
        training = record.training
        if training is None or training.heldout is None or training.best_heldout is None:
            continue
        if training.best_heldout - training.heldout[training.metric] > WORTH_TELLING:
            yield f"{record.case.id} {100 * training.best_heldout:.1f}% in epoch {training.best_epoch}"
