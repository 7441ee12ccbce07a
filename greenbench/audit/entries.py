"""What the audit's rules work on: figures with the interval that their digits stand for, row by row.

A published row and a user's own record both become an `Entry`, so that the same rules judge both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from greenbench.paper.cells import SI_FACTOR, Cell, published_cells
from greenbench.paper.recount import counted
from greenbench.paper.setups import SETUPS, STUDY_BOARD, Board, Size
from greenbench.recipe import Task

BACKWARD_AND_FORWARD = 3
"""A training step multiplies about three times as much as a forward pass: twice more for gradients."""

WORK_SHARE = {"poly_half_epochs": 0.5, "progressive_resizing": (1 + 1 / 4 + 1 / 16 + 1 / 64) / 4}
"""Training work as a share of the baseline's, where a technique changes it by construction."""

PARAMS_PER_CLASS = {"segmentation": 64 + 1 + 2 * (256 + 1), "classification": 2048 + 1}
"""Weights and biases that one more class adds to the full-width network's heads."""


@dataclass(frozen=True)
class Figure:
    """One quantity and where it stands.

    Attributes
    ----------
    where
        Name of the cell or of the record's field.
    value
        In SI units; fractions for percentages.
    text
        As it is written, with its unit.
    step
        One unit in the last printed digit; 0 for an exact figure.
    """

    where: str
    value: float
    text: str
    step: float = 0.0

    @property
    def low(self) -> float:
        """Smallest value that is printed like this, by rounding."""
        return self.value - self.step / 2

    @property
    def high(self) -> float:
        """Upper end of the values that are printed like this, by rounding or by truncation."""
        return self.value + self.step

    def times(self, factor: float) -> Figure:
        """Return the figure with its unit reinterpreted."""
        return replace(self, value=self.value * factor, step=self.step * factor)


@dataclass(frozen=True)
class Entry:
    """One technique on one data set: what is claimed of it, and what can be known beforehand.

    Attributes
    ----------
    dataset, technique, task, classes
        Which one.
    input
        Height and width of the images, as stated.
    group
        Entries of different groups (scale, machine) are never compared.
    params, macs, latency_s, energy_j, co2_kg_per_week
        Claims on inference; `macs` in the study's convention, per image like `energy_j`.
    energy_seconds
        Time that `energy_j` was drawn in, where it is known apart from the latency.
    train_energy_j, train_seconds, heldout
        Claims on training; `heldout` is the accuracy or mIoU, 0 to 1.
    expected_params, expected_macs
        Counted on the network: parameters, and multiply-adds at the stated input.
    params_per_class
        Parameters that one more class adds at least.
    train_macs
        Multiply-adds of the whole training, forward and backward.
    board
        What it ran on; None where unknown.
    """

    dataset: str
    technique: str
    task: Task
    classes: int
    input: Size
    group: str = ""
    params: Figure | None = None
    macs: Figure | None = None
    latency_s: Figure | None = None
    energy_j: Figure | None = None
    energy_seconds: Figure | None = None
    co2_kg_per_week: Figure | None = None
    train_energy_j: Figure | None = None
    train_seconds: Figure | None = None
    heldout: Figure | None = None
    expected_params: int | None = None
    expected_macs: int | None = None
    params_per_class: int = 1
    train_macs: float | None = None
    board: Board | None = None

    @property
    def name(self) -> str:
        """Data set and technique."""
        return f"{self.dataset}/{self.technique}"

    def zeros(self) -> dict[str, Figure]:
        """Return, by field, the claims that are not above 0 where a measurement must be."""
        claims = {name: getattr(self, name) for name in _POSITIVE}
        return {name: claim for name, claim in claims.items() if claim is not None and claim.value <= 0}

    def without_zeros(self) -> Entry:
        """Return the entry without those claims."""
        blanks: dict[str, Any] = dict.fromkeys(self.zeros())
        return replace(self, **blanks)


_POSITIVE = (
    "params",
    "macs",
    "latency_s",
    "energy_j",
    "energy_seconds",
    "train_energy_j",
    "train_seconds",
)


def by_dataset(entries: Iterable[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """Go through the entries of one data set at a time, in their order."""
    rows = tuple(entries)
    for dataset in dict.fromkeys(entry.dataset for entry in rows):
        yield dataset, [entry for entry in rows if entry.dataset == dataset]


_FIELDS = {
    "params": "params",
    "flops": "macs",
    "time": "latency_s",
    "energy": "energy_j",
    "co2": "co2_kg_per_week",
    "train_energy": "train_energy_j",
    "val_miou": "heldout",
    "test_accuracy": "heldout",
    "val_accuracy": "heldout",
}


def printed_figure(cell: Cell) -> Figure:
    """Return a cell as the figure that is printed, not as it is read."""
    factor = SI_FACTOR[cell.unit]
    unit = "" if cell.unit in ("M", "G") else " "
    return Figure(
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
        entries[key] = replace(entry, **{field: printed_figure(cell)}) if field else entry  # type: ignore[arg-type]
    return tuple(entries.values())


def _known_beforehand(dataset: str, technique: str) -> Entry:
    setup = SETUPS[dataset]
    fitted = counted("fitted").get((dataset, technique))
    # A technique that leaves the network alone has no counts of its own: it runs the baseline's.
    stated = counted("stated").get((dataset, technique), counted("stated")[dataset, "baseline"])
    images = setup.train_images
    work = setup.epochs * WORK_SHARE.get(technique, 1.0) * BACKWARD_AND_FORWARD * stated.full_macs
    return Entry(
        dataset=dataset,
        technique=technique,
        task=setup.task,
        classes=setup.classes,
        input=setup.stated_input,
        expected_params=fitted.params if fitted else None,
        expected_macs=stated.conv_macs,
        params_per_class=PARAMS_PER_CLASS[setup.task],
        train_macs=None if images is None else images * work,
        board=STUDY_BOARD,
    )
