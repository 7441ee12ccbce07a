"""What the study's Figures 2 to 7 show, from the numbers of its tables.

Figure 1 shows curves whose numbers are not published. Figures 2 and 4: score against training energy, segmentation and
classification. 3 and 5: time of an image against parameters and FLOPs. 6 and 7: score against CO2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from greenbench.paper.cells import Cell, Interpretation, published_cells
from greenbench.paper.setups import SETUPS, catalog

SCORES = {"val_miou": "mIoU, %", "test_accuracy": "Accuracy, %", "val_accuracy": "Accuracy, %"}
ENERGY, PARAMS, FLOPS, TIME, CO2 = "train_energy", "params", "flops", "time", "co2"
TITLES = {
    ENERGY: "Energy, MJ",
    PARAMS: "Params (M)",
    FLOPS: "FLOPs (G)",
    TIME: "Time (ms)",
    CO2: "CO₂ (kg/wk)",
    **SCORES,
}
PICTURES = {
    2: ("Score against training energy, segmentation", (1, 1), ((ENERGY, ""),)),
    3: ("Time of an image against size, segmentation", (3, 3), ((PARAMS, TIME), (FLOPS, TIME))),
    4: ("Score against training energy, classification", (2, 2), ((ENERGY, ""),)),
    5: ("Time of an image against size, classification", (4, 4), ((PARAMS, TIME), (FLOPS, TIME))),
    6: ("Score against CO₂, segmentation", (3, 1), ((CO2, ""),)),
    7: ("Score against CO₂, classification", (4, 2), ((CO2, ""),)),
}
"""By the figure's number: title, tables of x and y, and pairs of columns; the score where none is named."""


@dataclass(frozen=True)
class Dot:
    """One technique: its two values in the printed units, and how the cells are to be read."""

    technique: str
    title: str
    category: str
    x: float
    y: float
    readings: tuple[Interpretation, Interpretation]


@dataclass(frozen=True)
class Plot:
    """One panel of one figure."""

    number: int
    figure: str
    workload: str
    x: str
    y: str
    is_score: bool
    dots: tuple[Dot, ...]


def published_plots() -> Iterator[Plot]:
    """Yield the panels of Figures 2 to 7, with values as they are to be read."""
    known = catalog()
    cells = {(cell.table, cell.dataset, cell.technique, cell.metric): cell for cell in published_cells()}
    for number, (title, (x_table, y_table), pairs) in PICTURES.items():
        for dataset in SETUPS:
            for x_metric, y_metric in pairs:
                metric = y_metric or _score_of(dataset)
                dots = tuple(
                    _dot(known.technique(name).title, known.technique(name).category, x, y)
                    for (table, data, name, of), x in cells.items()
                    if (table, data, of) == (x_table, dataset, x_metric)
                    and (y := cells.get((y_table, dataset, name, metric))) is not None
                )
                if dots:
                    workload = known.workloads[dataset].title
                    yield Plot(number, title, workload, TITLES[x_metric], TITLES[metric], not y_metric, dots)


def _score_of(dataset: str) -> str:
    return next(
        cell.metric for cell in published_cells() if cell.dataset == dataset and cell.metric in SCORES
    )


def _dot(title: str, category: str, x: Cell, y: Cell) -> Dot:
    return Dot(x.technique, title, category, x.value, y.value, (x.reading, y.reading))
