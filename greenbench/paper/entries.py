"""The published rows as entries of the audit, and what is known beforehand of the study's networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from greenbench.audit.entries import Entry, Number, size_text, training_macs
from greenbench.paper.cells import SI_FACTOR, Cell, published_cells
from greenbench.paper.recount import counted
from greenbench.paper.setups import PARAMS_PER_CLASS, SETUPS, STUDY_BOARD, catalog
from greenbench.records.record import Record
from greenbench.spec.recipe import Recipe
from greenbench.spec.workload import ACCURACY

_FIELDS = {
    "params": "params",
    "flops": "macs",
    "time": "latency_s",
    "energy": "energy_j",
    "co2": "co2_kg_per_week",
    "train_energy": "train_energy_j",
    "val_miou": "score",
    "test_accuracy": "score",
    "val_accuracy": "score",
}

_WORDS = {"accuracy": "top-1", "top5_accuracy": "top-5"}
"""How the study calls metrics."""

_TOP1 = replace(ACCURACY, name="top-1", title="top-1 accuracy")


def printed_number(cell: Cell) -> Number:
    """Return the number that is printed in a cell, not the one that it is read as."""
    factor = SI_FACTOR[cell.unit]
    unit = "" if cell.unit in ("M", "G") else " "
    return Number(
        where=cell.name,
        value=float(cell.printed) * factor,
        text=f"{cell.printed}{unit}{cell.unit}",
        step=10.0**-cell.decimals * factor,
    )


def published_entries(cells: Iterable[Cell] | None = None) -> tuple[Entry, ...]:
    """Return the published rows, Tables 1 and 3 or 2 and 4 joined, in the order of the tables."""
    entries: dict[tuple[str, str], Entry] = {}
    for cell in published_cells() if cells is None else cells:
        key = (cell.dataset, cell.technique)
        entry = entries.get(key) or _known_beforehand(*key)
        field = _FIELDS.get(cell.metric)
        entries[key] = replace(entry, **{field: printed_number(cell)}) if field else entry  # type: ignore[arg-type]
    return tuple(entries.values())


def with_published_counts(entry: Entry, record: Record) -> Entry:
    """Add what is known of the study's networks to the entry of a record, where the record is of one in full size."""
    if entry.workload not in SETUPS or record.case.setting.get("network") != {}:
        return entry
    task = catalog().workloads[entry.workload].task
    entry = replace(entry, network=task, params_per_class=PARAMS_PER_CLASS[task])
    row = counted("stated").get((entry.workload, entry.technique))
    if row is None or size_text(entry.input) != row.input:
        return entry
    return replace(entry, expected_params=row.params, expected_macs=row.conv_macs)


def _known_beforehand(name: str, technique_name: str) -> Entry:
    workload, technique = catalog().workloads[name], catalog().techniques[technique_name]
    fitted = counted("fitted").get((name, technique_name))
    # A technique that leaves the network alone has no counts of its own: it runs the baseline's.
    stated = counted("stated").get((name, technique_name), counted("stated")[name, "baseline"])
    epochs = _full_epochs(technique(workload.recipe("paper")))
    images = workload.train_images
    return Entry(
        workload=name,
        technique=technique_name,
        num_classes=workload.num_classes,
        input=workload.image_size or (),
        is_baseline=technique.is_baseline,
        network=workload.task,  # the study has one for each task
        work_share=technique.work_share,
        metric=_TOP1 if workload.metric == ACCURACY else workload.metric,
        best_known={_WORDS.get(metric, metric): value for metric, value in workload.best_known.items()},
        expected_params=fitted.params if fitted else None,
        expected_macs=stated.conv_macs,
        params_per_class=PARAMS_PER_CLASS[workload.task],
        train_macs=None if images is None else training_macs(stated.full_macs, images, epochs),
        board=STUDY_BOARD,
    )


def _full_epochs(recipe: Recipe) -> float:
    """Return the epochs of a recipe, those on smaller images as parts: work follows the area."""
    return sum(recipe.size_factor(epoch, recipe.epochs) ** 2 for epoch in range(recipe.epochs))
