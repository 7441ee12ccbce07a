"""What the study's text says in numbers about its own tables, and whether the tables have it.

Each claim names the section, the cells and the value as the text gives it. The tables' digits stand for intervals. A
claim inside the interval that the cells allow, but not equal to their difference, may be rounded from what was
measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from greenbench.audit.findings import Finding, Severity
from greenbench.paper.cells import Cell, find_cell, published_cells, verdict_against
from greenbench.paper.entries import printed_number

RULE = "text_against_tables"


@dataclass(frozen=True)
class Difference:
    """The text gives a technique's difference to the baseline: points, or megajoules.

    `printed` has the digits of the text; what is negative there is negative here.
    """

    section: str
    dataset: str
    technique: str
    metric: str
    printed: str

    def judge(self, cells: Iterable[Cell]) -> Finding | None:
        """Return what does not fit, or None."""
        chosen = [find_cell(cells, self.dataset, name, self.metric) for name in (self.technique, "baseline")]
        if chosen[0] is None or chosen[1] is None:
            return None
        ours, baseline = (printed_number(cell) for cell in chosen if cell)
        scale = ours.value / float(chosen[0].printed)
        decimals = len(self.printed.partition(".")[2])
        difference = (ours.value - baseline.value) / scale
        if round(difference, decimals) == float(self.printed):
            return None
        low, high = (ours.low - baseline.high) / scale, (ours.high - baseline.low) / scale
        slack = 10.0**-decimals
        explained = low - slack <= float(self.printed) <= high + slack
        return Finding(
            rule=RULE,
            severity=Severity.ROUNDING if explained else Severity.INCONSISTENT,
            cells=(ours.where, baseline.where),
            arithmetic=(f"{ours.text} - {baseline.text} = {difference:+.{decimals + 1}f}",),
            bound=f"section {self.section} of the text: {float(self.printed):+.{decimals}f}",
            conclusion=f"{self.dataset}/{self.technique}: text and table differ"
            + (" by what rounding can explain" if explained else ""),
        )


@dataclass(frozen=True)
class Best:
    """The text calls a technique the best, or names the extreme of a column."""

    section: str
    dataset: str
    technique: str
    metric: str
    direction: Literal["highest", "lowest"] = "highest"

    def judge(self, cells: Iterable[Cell]) -> Finding | None:
        """Return what does not fit, or None."""
        column = [c for c in cells if (c.dataset, c.metric) == (self.dataset, self.metric)]
        claimed = find_cell(column, self.dataset, self.technique, self.metric)
        if claimed is None:
            return None
        pick = max if self.direction == "highest" else min
        best = pick(column, key=lambda cell: float(cell.printed))
        if float(best.printed) == float(claimed.printed):
            return None
        return Finding(
            rule=RULE,
            severity=Severity.INCONSISTENT,
            cells=(claimed.name, best.name),
            arithmetic=(f"{best.technique} has {best.printed}, {self.technique} {claimed.printed}",),
            bound=f"section {self.section} of the text: {self.technique} is the {self.direction}",
            conclusion=f"{self.dataset}: the table's {self.direction} {self.metric} is {best.technique}'s",
        )


@dataclass(frozen=True)
class EveryOtherAbove:
    """The text says that all techniques are above the baseline in a column."""

    section: str
    dataset: str
    metric: str

    def judge(self, cells: Iterable[Cell]) -> Finding | None:
        """Return what does not fit, or None."""
        column = [c for c in cells if (c.dataset, c.metric) == (self.dataset, self.metric)]
        baseline = find_cell(column, self.dataset, "baseline", self.metric)
        if baseline is None:
            return None
        others = [
            c for c in column if c.technique != "baseline" and float(c.printed) <= float(baseline.printed)
        ]
        if not others:
            return None
        return Finding(
            rule=RULE,
            severity=Severity.INCONSISTENT,
            cells=(baseline.name, *(c.name for c in others)),
            arithmetic=tuple(f"{c.technique}: {c.printed}, baseline {baseline.printed}" for c in others),
            bound=f"section {self.section} of the text: all are above the baseline",
            conclusion=f"{self.dataset}: not every technique is above the baseline's {self.metric}",
        )


@dataclass(frozen=True)
class Implied:
    """The text says how a network is built, from which a cell follows.

    `value` is what a network built like that counts, in the unit of the cell. `words` is what the text says, in our
    words.
    """

    section: str
    dataset: str
    technique: str
    metric: str
    value: float
    words: str

    def judge(self, cells: Iterable[Cell]) -> Finding | None:
        """Return what does not fit, or None."""
        cell = find_cell(cells, self.dataset, self.technique, self.metric)
        if cell is None or verdict_against(cell.printed, self.value) != "differs":
            return None
        return Finding(
            rule=RULE,
            severity=Severity.INCONSISTENT,
            cells=(cell.name,),
            arithmetic=(f"the text's network: {self.value:.{cell.decimals}f}; the table: {cell.printed}",),
            bound=f"section {self.section} of the text: {self.words}",
            conclusion=f"{self.dataset}/{self.technique}: the table's network is not the text's",
        )


Claim = Difference | Best | EveryOtherAbove | Implied

COORDCONV_TWICE = "coordinates go to the first layers of both the backbone and the spatial path"

CLAIMS: tuple[Claim, ...] = (
    Difference("4.1", "cityscapes", "one_branch", "val_miou", "-0.7"),
    Difference("4.1", "coco_stuff", "one_branch", "val_miou", "-0.5"),
    Difference("4.2", "cifar100", "poly_half_epochs", "test_accuracy", "-1.39"),
    Difference("4.2", "tiny_imagenet", "poly_half_epochs", "val_accuracy", "-0.66"),
    Difference("4.4", "cityscapes", "radam", "val_miou", "-1.5"),
    Difference("4.4", "coco_stuff", "radam", "val_miou", "-5.1"),
    Difference("4.4", "cityscapes", "radam", "train_energy", "0.5"),
    Difference("4.4", "coco_stuff", "radam", "train_energy", "7.3"),
    Difference("4.4", "cityscapes", "lookahead", "val_miou", "-0.5"),
    Difference("4.4", "coco_stuff", "lookahead", "val_miou", "0.3"),
    Difference("4.4", "coco_stuff", "lookahead", "train_energy", "5.8"),
    Difference("4.4", "cifar100", "radam", "test_accuracy", "-5.0"),
    Difference("4.4", "cifar100", "lookahead", "test_accuracy", "0.45"),
    Difference("4.4", "tiny_imagenet", "radam", "val_accuracy", "-3.67"),
    Difference("4.4", "tiny_imagenet", "lookahead", "val_accuracy", "0.88"),
    Difference("4.5", "cityscapes", "label_relaxation", "val_miou", "-1.9"),
    Difference("4.5", "coco_stuff", "label_relaxation", "val_miou", "-2.2"),
    Difference("4.5", "cityscapes", "soft_dice", "val_miou", "-0.8"),
    Difference("4.5", "coco_stuff", "soft_dice", "val_miou", "-0.4"),
    Difference("4.5", "cityscapes", "soft_dice", "train_energy", "6.1"),
    Difference("4.5", "coco_stuff", "soft_dice", "train_energy", "11.7"),
    Difference("4.5", "cityscapes", "soft_dice", "train_miou", "1.2"),
    Difference("4.5", "coco_stuff", "soft_dice", "train_miou", "1.2"),
    Difference("4.5", "cityscapes", "focal", "val_miou", "-0.8"),
    Difference("4.5", "coco_stuff", "focal", "val_miou", "0.5"),
    Difference("4.5", "cifar100", "focal", "test_accuracy", "-0.49"),
    Difference("4.5", "tiny_imagenet", "focal", "val_accuracy", "-0.60"),
    Difference("4.6", "cityscapes", "random_gradient", "train_miou", "0.7"),
    Difference("4.6", "cityscapes", "random_gradient", "val_miou", "0.4"),
    Difference("4.6", "cityscapes", "poly_half_epochs", "val_miou", "0.0"),
    Best("4.6", "cityscapes", "random_gradient", "train_miou"),
    Best("4.6", "cityscapes", "random_gradient", "val_miou"),
    Best("4.6", "coco_stuff", "focal", "val_miou"),
    Best("4.6", "cityscapes", "progressive_resizing", "train_energy", "lowest"),
    Best("4.6", "coco_stuff", "progressive_resizing", "train_energy", "lowest"),
    Best("4.6", "cifar100", "poly_half_epochs", "train_energy", "lowest"),
    Best("4.6", "tiny_imagenet", "poly_half_epochs", "train_energy", "lowest"),
    Best("4.6", "cifar100", "mixup", "test_accuracy"),
    Best("4.6", "tiny_imagenet", "lookahead", "val_accuracy"),
    EveryOtherAbove("4.6", "cifar100", "time"),
    EveryOtherAbove("4.6", "tiny_imagenet", "time"),
    EveryOtherAbove("4.6", "cifar100", "co2"),
    EveryOtherAbove("4.6", "tiny_imagenet", "co2"),
    # The baseline's 14,007,777 and 25.9311 G at 512x1024, and twice the 9,408 weights of three channels.
    Implied("4.6", "cityscapes", "coordconv", "params", 14.026593, COORDCONV_TWICE),
    Implied("4.6", "cityscapes", "coordconv", "flops", 28.397396, COORDCONV_TWICE),
)


def text_against_tables(
    cells: Iterable[Cell] | None = None, claims: Iterable[Claim] = CLAIMS
) -> list[Finding]:
    """Hold every claim against the cells and return what does not fit."""
    table = published_cells() if cells is None else tuple(cells)
    return [finding for claim in claims if (finding := claim.judge(table)) is not None]
