"""What each technique gains against what it costs, as a picture: two columns of bars for each data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.records.record import Record
from greenbench.report.group import Group
from greenbench.verdict.statistics import estimate
from greenbench.techniques import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMN_INCHES, ROW_INCHES, MARGIN_INCHES = 1.35, 0.21, 1.0
BETTER, WORSE = "#2b8a3e", "#c92a2a"
METRICS = {"accuracy": "accuracy", "miou": "mIoU"}


@dataclass(frozen=True)
class Outcome:
    """A technique against its baseline: gain in points, and the ratio of their costs."""

    points: float
    cost_ratio: float


def draw(group: Group, path: Path) -> Path | None:
    """Draw gain and cost of every technique against its baseline, as SVG; the file is the same every time.

    The cost is training energy where every run has it, and training time otherwise.

    Returns
    -------
    Path or None
        None where no technique of the group finished beside its baseline.
    """
    datasets = [d for task in ("classification", "segmentation") for d in group.datasets("training", task)]
    names = [name for name in group.techniques("training", datasets) if name != BASELINE]
    pairs = [records for n in (BASELINE, *names) for d in datasets if (records := group.of("training", n, d))]
    energy = all(_mean_cost(records, energy=True) for records in pairs)
    outcomes = {(n, d): one for n in names for d in datasets if (one := _outcome(group, n, d, energy))}
    datasets = [d for d in datasets if any((n, d) in outcomes for n in names)]
    names = [n for n in names if any((n, d) in outcomes for d in datasets)]
    if not outcomes:
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "greenbench", "svg.fonttype": "none", "font.size": 8}):
        size = (1.2 + 2 * COLUMN_INCHES * len(datasets), MARGIN_INCHES + ROW_INCHES * len(names))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, 2 * len(datasets), sharey=True, squeeze=False)[0]
        for index, dataset in enumerate(datasets):
            found = [outcomes.get((name, dataset)) for name in names]
            baseline = group.baseline("training", dataset)[0]
            assert baseline.training is not None
            title = f"{baseline.data.title}\n{METRICS[baseline.training.metric]}, points"
            gains = [None if one is None else one.points for one in found]
            _bars(axes[2 * index], title, gains, neutral=0, more_is_better=True)
            costs = [None if one is None else one.cost_ratio for one in found]
            title = f"{baseline.data.title}\n{'energy' if energy else 'time'}, ×"
            _bars(axes[2 * index + 1], title, costs, neutral=1, more_is_better=False)
        titles = [
            next(r[0].technique.title for d in datasets if (r := group.of("training", n, d))) for n in names
        ]
        axes[0].set_yticks(range(len(names)), titles)
        axes[0].invert_yaxis()
        figure.suptitle("Against the baseline: held-out metric, and cost of training", fontsize=9)
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def _bars(
    axes: Axes, title: str, values: Sequence[float | None], *, neutral: float, more_is_better: bool
) -> None:
    """Draw one bar a technique from `neutral`, green to the better side; none where there is no value."""
    for row, value in enumerate(values):
        if value is not None:
            better = value >= neutral if more_is_better else value <= neutral
            axes.barh(row, value - neutral, left=neutral, height=0.7, color=BETTER if better else WORSE)
    axes.axvline(neutral, color="black", linewidth=0.8)
    axes.set_title(title, fontsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.1)


def _outcome(group: Group, name: str, dataset: str, energy: bool) -> Outcome | None:
    ours, theirs = group.of("training", name, dataset), group.baseline("training", dataset)
    gain, reference = _mean_metric(ours), _mean_metric(theirs)
    cost, base_cost = _mean_cost(ours, energy=energy), _mean_cost(theirs, energy=energy)
    if gain is None or reference is None or not cost or not base_cost:
        return None
    return Outcome(100 * (gain - reference), cost / base_cost)


def _mean_metric(records: Sequence[Record]) -> float | None:
    runs = [record.training for record in records if record.training]
    values = [run.heldout[run.metric] for run in runs if run.heldout]
    return estimate(values).mean if values and len(values) == len(runs) else None


def _mean_cost(records: Sequence[Record], *, energy: bool) -> float | None:
    """Return the mean cost of finished runs in joules or seconds; None unless every run has it."""
    runs = [record.training for record in records if record.training]
    values = [
        run.energy.energy_j if energy else run.train_seconds for run in runs if run.status == "finished"
    ]
    known = [value for value in values if value is not None]
    return estimate(known).mean if known and len(known) == len(runs) else None
