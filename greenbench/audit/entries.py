"""What the audit's rules work on: numbers with the interval that their digits stand for, row by row.

A printed row and a record both become an `Entry`, so the same rules judge both.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from greenbench.audit.boards import Board
from greenbench.spec.workload import Metric

BACKWARD_AND_FORWARD = 3
"""A training step multiplies about three times as much as a forward pass: twice more for gradients."""


@dataclass(frozen=True)
class Number:
    """One value and where it stands.

    Attributes
    ----------
    where
        Name of the cell or of the record's field.
    value
        In SI units; fractions for percentages.
    text
        As it is written, with its unit.
    step
        One unit in the last printed digit; 0 for an exact number.
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

    def times(self, factor: float) -> Number:
        """Return the number with its unit reinterpreted."""
        return replace(self, value=self.value * factor, step=self.step * factor)


@dataclass(frozen=True)
class Entry:
    """One technique on one workload: what is claimed of it, and what is known beforehand.

    Attributes
    ----------
    workload, technique, is_baseline
        Which one.
    num_classes, input
        Classes, and size of the images, as stated; None and () for a task without.
    group
        Entries of one workload are compared if they are of one group.
    wider_group, network
        Entries of two workloads are compared if both of these agree. A network of None is like no other.
    work_share
        Work of the training as a share of the baseline's, where the technique fixes it.
    metric, best_known
        What `score` is, and the best published value of it and of other metrics, by name.
    params, macs, latency_s, energy_j, co2_kg_per_week
        Claims on inference. `macs` in the study's convention; it and `energy_j` are of one image.
    energy_seconds
        Time that `energy_j` was drawn in, where it is known apart from the latency.
    train_energy_j, train_seconds, score
        Claims on training.
    expected_params, expected_macs
        Counted on the network: parameters, and multiply-adds at the stated input.
    params_per_class
        Parameters that one more class adds at least.
    train_macs
        Multiply-adds of the whole training, forward and backward.
    board
        What it ran on; None where unknown.
    """

    workload: str
    technique: str
    num_classes: int | None
    input: tuple[int, ...]
    is_baseline: bool = False
    group: str = ""
    wider_group: str = ""
    network: str | None = None
    work_share: float | None = None
    metric: Metric | None = None
    best_known: Mapping[str, float] = field(default_factory=dict)
    params: Number | None = None
    macs: Number | None = None
    latency_s: Number | None = None
    energy_j: Number | None = None
    energy_seconds: Number | None = None
    co2_kg_per_week: Number | None = None
    train_energy_j: Number | None = None
    train_seconds: Number | None = None
    score: Number | None = None
    expected_params: int | None = None
    expected_macs: int | None = None
    params_per_class: int = 1
    train_macs: float | None = None
    board: Board | None = None

    @property
    def name(self) -> str:
        """Workload and technique."""
        return f"{self.workload}/{self.technique}"

    def zeros(self) -> dict[str, Number]:
        """Return, by field, the claims that are not above 0 where a measurement must be."""
        claims = {name: getattr(self, name) for name in _POSITIVE}
        return {name: claim for name, claim in claims.items() if claim is not None and claim.value <= 0}

    def without_zeros(self) -> Entry:
        """Return the entry without those claims."""
        blanks: dict[str, Any] = dict.fromkeys(self.zeros())
        return replace(self, **blanks) if blanks else self


_POSITIVE = (
    "params",
    "macs",
    "latency_s",
    "energy_j",
    "energy_seconds",
    "train_energy_j",
    "train_seconds",
)


def grouped(entries: Iterable[Entry], key: Callable[[Entry], Hashable]) -> list[list[Entry]]:
    """Return the entries of one key at a time, in the order of the first of each."""
    found: dict[Hashable, list[Entry]] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return list(found.values())


def training_macs(macs: float, images: int, epochs: float) -> float:
    """Return the multiply-adds of a training of so many epochs, from those of one forward pass of an image."""
    return BACKWARD_AND_FORWARD * macs * images * epochs


def size_text(size: tuple[int, ...]) -> str:
    """Write a size as height x width: ``512x1024``."""
    return "x".join(map(str, size))
