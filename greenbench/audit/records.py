"""Applies the audit's rules to a user's own records: what would have been caught in the published study.

Imports no torch.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources

from greenbench import datasets
from greenbench.energy.carbon import carbon_intensity, co2_kg_per_week
from greenbench.energy import Reading, Status
from greenbench.paper.audit import Checked, audit_entries
from greenbench.audit.entries import BACKWARD_AND_FORWARD, PARAMS_PER_CLASS, Entry, Figure
from greenbench.audit.findings import Finding
from greenbench.paper.recount import counted
from greenbench.paper.setups import SETUPS, Board, as_text
from greenbench.records.record import Record
from greenbench.units import percent, si


def audit_records(records: Sequence[Record]) -> tuple[Finding, ...]:
    """Return everything in the records that is impossible, inconsistent or implausible."""
    return tuple(finding for rule in check_records(records) for finding in rule.findings)


def check_records(records: Sequence[Record]) -> tuple[Checked, ...]:
    """Apply every rule of the audit to the records; each outcome says how many rows it could judge."""
    return audit_entries(entry for record in records for entry in _entries(record, records))


@cache
def known_boards() -> dict[str, Board]:
    """Return the boards of the shipped table by name, as NVML reports it.

    Their peak is the highest dense rate that the data sheet gives for 16-bit operands, above what any
    mode of the suite can reach.
    """
    text = resources.files("greenbench").joinpath("boards.csv").read_text(encoding="utf-8")
    return {
        row["name"]: Board(row["name"], float(row["power_limit_w"]), 1e12 * float(row["peak_tflops"]))
        for row in csv.DictReader(text.splitlines())
    }


def _entries(record: Record, records: Sequence[Record]) -> Iterator[Entry]:
    """Return a record as entries: one for training, one for each batch size of inference."""
    known = datasets.discover().get(record.case.dataset)
    if known is None:
        return
    protocol = record.case.protocol
    entry = Entry(
        dataset=record.case.dataset,
        technique=record.case.technique,
        task=known.task,
        classes=known.classes,
        input=known.image_size,
        group=f"{protocol} on {record.machine.key}",  # only equal protocols on one machine are compared
        params_per_class=PARAMS_PER_CLASS[known.task] if protocol.width == 1 else 1,
    )
    if record.training is not None:
        yield _training_entry(entry, record, records)
    if record.inference is not None:
        yield from _inference_entries(entry, record)


def _training_entry(entry: Entry, record: Record, records: Sequence[Record]) -> Entry:
    training = record.training
    assert training is not None
    where = f"{record.file_name}: training"
    heldout = (training.heldout or {}).get(training.metric)
    return replace(
        entry,
        board=_board(training.energy),
        train_energy_j=_energy(training.energy, where),
        train_seconds=_seconds(training.energy, where),
        heldout=None if heldout is None else Figure(f"{where}.heldout", heldout, percent(heldout)),
        train_macs=_training_macs(record, records),
    )


def _inference_entries(entry: Entry, record: Record) -> Iterator[Entry]:
    inference = record.inference
    assert inference is not None
    where = f"{record.file_name}: inference"
    entry = replace(
        entry,
        input=inference.input_size,
        macs=Figure(f"{where}.conv_macs", inference.conv_macs, f"{inference.conv_macs / 1e9:.4g}G"),
        params=Figure(f"{where}.params", inference.params, f"{inference.params / 1e6:.4g}M"),
    )
    entry = _with_published_counts(entry, record)
    for batch in inference.batches:
        at = f"{where}.batch_{batch.batch_size}"
        latency_s = batch.latency_ms / 1e3 / batch.batch_size
        energy = _energy(batch.energy_per_image, at)
        co2 = co2_kg_per_week(energy.value if energy else None, carbon_intensity())
        yield replace(
            entry,
            group=f"{entry.group}, batch {batch.batch_size}",
            board=_board(batch.energy_per_image),
            latency_s=Figure(f"{at}.latency_ms", latency_s, si(latency_s, "s")),
            energy_j=energy,
            energy_seconds=_seconds(batch.energy_per_image, at),
            co2_kg_per_week=None if co2 is None else Figure(f"{at}.co2", co2, f"{co2:.4g} kg/wk"),
        )


def _with_published_counts(entry: Entry, record: Record) -> Entry:
    """Add what the full-size network is known to count, where the record is of one."""
    setup = SETUPS.get(entry.dataset)
    row = counted("stated").get((entry.dataset, entry.technique))
    protocol = record.case.protocol
    full_size = protocol.width == 1 and tuple(protocol.blocks_per_stage) == (3, 4, 6, 3)
    if setup is None or row is None or not full_size or as_text(entry.input) != row.input:
        return entry
    return replace(entry, expected_params=row.params, expected_macs=row.conv_macs)


def _board(reading: Reading) -> Board | None:
    """Return the board that a reading is of, with the limit that was set on it; None for other devices."""
    known = known_boards().get(reading.device or "")
    limit_w = reading.start.power_limit_w if reading.start is not None else None
    if known is not None:
        return known if limit_w is None else replace(known, power_limit_w=limit_w)
    return None if limit_w is None else Board(reading.device or "this board", limit_w, math.inf)


def _energy(reading: Reading, where: str) -> Figure | None:
    """Return a reading's energy where it is a full measurement; a marked one is known to be rough."""
    if reading.energy_j is None or reading.status != Status.MEASURED:
        return None
    return Figure(f"{where}.energy_j", reading.energy_j, si(reading.energy_j, "J"))


def _seconds(reading: Reading, where: str) -> Figure:
    return Figure(f"{where}.seconds", reading.seconds, si(reading.seconds, "s"))


def _training_macs(record: Record, records: Sequence[Record]) -> float | None:
    """Return the multiply-adds of a training, where the records hold its network's count."""
    training, images = record.training, record.data.train_images
    counts = _counts_of(record, records)
    if training is None or images is None or counts is None:
        return None
    macs, pixels = counts
    # Smaller images in some epochs cost less, in proportion to their area.
    area = sum(epoch.image_size[0] * epoch.image_size[1] / pixels for epoch in training.curve)
    return BACKWARD_AND_FORWARD * macs * images * area


def _counts_of(record: Record, records: Sequence[Record]) -> tuple[int, int] | None:
    """Return multiply-adds and pixels of an image, from the technique's profile or the baseline's."""
    for technique in (record.case.technique, "baseline"):
        for other in records:
            case = other.case
            same = (case.dataset, case.protocol.name) == (record.case.dataset, record.case.protocol.name)
            if other.inference is not None and same and case.technique == technique:
                size = other.inference.input_size
                return other.inference.full_macs, size[0] * size[1]
    return None
