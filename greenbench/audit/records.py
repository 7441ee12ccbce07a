"""A user's own records as entries: what would have been caught in the published study is caught in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from greenbench.audit.boards import Board, known_boards
from greenbench.audit.entries import Entry, Number, training_macs
from greenbench.audit.findings import Finding, Severity
from greenbench.audit.rules import Checked
from greenbench.energy.carbon import carbon_intensity, co2_kg_per_week
from greenbench.energy.reading import Reading, Status
from greenbench.records.conditions import conditions, key_of
from greenbench.records.folder import Unreadable
from greenbench.records.record import Record
from greenbench.records.results import Inference, Training
from greenbench.spec.technique import BASELINE
from greenbench.units import percent, si

OF_THE_WORKLOAD = ("kind", "workload", "setting.", "data.")
"""What the names of those conditions begin with that are a workload's own."""


Networks = Mapping[tuple[str, str], Inference]
"""What was counted of networks, by technique and what decides the baseline's network."""


def measured_networks(records: Iterable[Record]) -> Networks:
    """Return the first inference of each network."""
    found: dict[tuple[str, str], Inference] = {}
    for record in records:
        if isinstance(record.result, Inference):
            found.setdefault((record.case.technique, _network(record)), record.result)
    return found


def impossible_records(records: Sequence[Record], left_out: Iterable[Unreadable]) -> Checked:
    """Return which files of a folder are records that no run can have written."""
    wrong = [file for file in left_out if file.impossible]
    return Checked(
        "record_of_no_run",
        "Can a run have written each record?",
        len(records) + len(wrong),
        tuple(
            Finding(
                rule="record_of_no_run",
                severity=Severity.IMPOSSIBLE,
                cells=(file.path.name,),
                arithmetic=(file.reason,),
                bound="what one run writes",
                conclusion="this record is left out of tables and verdicts",
            )
            for file in wrong
        ),
    )


def entries_of(record: Record, networks: Networks) -> Iterator[Entry]:
    """Return a record as entries: one for training, one for each batch size of inference.

    The operations of the record's network are looked up in `networks`. A failure gives no entry, and nor does a run
    that diverged: what it cost is the cost of a part.
    """
    agreed = conditions(record)
    entry = Entry(
        workload=record.case.workload,
        technique=record.case.technique,
        num_classes=record.workload.num_classes,
        input=record.workload.image_size or (),
        is_baseline=record.case.technique == BASELINE,
        group=key_of(agreed),
        wider_group=key_of(_beside_workload(agreed)),
        work_share=record.technique.work_share,
        metric=record.workload.metric,
        best_known=record.workload.best_known,
    )
    result = record.result
    if isinstance(result, Training) and result.status == "finished":
        yield _training_entry(entry, record, result, networks)
    if isinstance(result, Inference):
        yield from _inference_entries(entry, record, result)


def _training_entry(entry: Entry, record: Record, training: Training, networks: Networks) -> Entry:
    where = f"{record.file_name}: training"
    score = (training.validation or {}).get(record.workload.metric.name)
    return replace(
        entry,
        board=_board(training.energy),
        train_energy_j=_energy(training.energy, where),
        train_seconds=_seconds(training.energy, where),
        score=None if score is None else Number(f"{where}.validation", score, percent(score)),
        train_macs=_training_macs(record, training, networks),
    )


def _inference_entries(entry: Entry, record: Record, inference: Inference) -> Iterator[Entry]:
    where = f"{record.file_name}: inference"
    entry = replace(
        entry,
        input=inference.input_size,
        macs=Number(f"{where}.conv_macs", inference.conv_macs, f"{inference.conv_macs / 1e9:.4g}G"),
        params=Number(f"{where}.params", inference.params, f"{inference.params / 1e6:.4g}M"),
    )
    for name, batch in (("single", inference.single), ("large", inference.large)):
        at = f"{where}.{name}"
        latency_s = batch.latency_ms / 1e3 / batch.batch_size
        energy = _energy(batch.energy_per_image, at)
        co2 = co2_kg_per_week(energy.value if energy else None, carbon_intensity())
        of_batch = f", batch {batch.batch_size}"
        yield replace(
            entry,
            group=entry.group + of_batch,
            wider_group=entry.wider_group + of_batch,
            board=_board(batch.energy_per_image),
            latency_s=Number(f"{at}.latency_ms", latency_s, si(latency_s, "s")),
            energy_j=energy,
            energy_seconds=_seconds(batch.energy_per_image, at),
            co2_kg_per_week=None if co2 is None else Number(f"{at}.co2", co2, f"{co2:.4g} kg/wk"),
        )


def _board(reading: Reading) -> Board | None:
    """Return the board that a reading is of, with the limit that was set on it; None for other devices."""
    known = known_boards().get(reading.device or "")
    limit_w = reading.start.power_limit_w if reading.start is not None else None
    if known is not None:
        return known if limit_w is None else replace(known, power_limit_w=limit_w)
    return None if limit_w is None else Board(reading.device or "this board", limit_w, math.inf)


def _energy(reading: Reading, where: str) -> Number | None:
    """Return a reading's energy where it is a full measurement; a marked one is known to be rough."""
    if reading.energy_j is None or reading.status != Status.MEASURED:
        return None
    return Number(f"{where}.energy_j", reading.energy_j, si(reading.energy_j, "J"))


def _seconds(reading: Reading, where: str) -> Number | None:
    """Return the time that a reading's energy was drawn in, where there is such an energy."""
    if _energy(reading, where) is None:
        return None
    return Number(f"{where}.seconds", reading.seconds, si(reading.seconds, "s"))


def _training_macs(record: Record, training: Training, networks: Networks) -> float | None:
    """Return the multiply-adds of a training, where the records hold its network's count."""
    images = record.workload.train_images
    measured = _same_network(record, networks)
    if images is None or measured is None or training.teacher is not None:
        return None
    # Smaller images in some epochs cost less, in proportion to their area.
    pixels = math.prod(measured.input_size)
    epochs = math.fsum(
        math.prod(epoch.image_size) / pixels if epoch.image_size else 1.0 for epoch in training.curve
    )
    return training_macs(measured.full_macs, images, epochs)


def _same_network(record: Record, networks: Networks) -> Inference | None:
    """Return the inference of the network that a record trained: the technique's, or the baseline's left alone."""
    network = _network(record)
    own = networks.get((record.case.technique, network))
    if own is not None or "network" in record.technique.changed_fields:
        return own
    return networks.get((BASELINE, network))


def _network(record: Record) -> str:
    """Return what decides a baseline's network, and the conditions that are not the workload's."""
    agreed = conditions(record)
    own = {name: agreed.get(name) for name in ("workload", "workload_digest", "setting.network")}
    return key_of(own | _beside_workload(agreed))


def _beside_workload(agreed: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in agreed.items() if not name.startswith(OF_THE_WORKLOAD)}
