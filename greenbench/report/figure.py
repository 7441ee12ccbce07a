"""What is gained against what it costs, as a picture: one panel for each data set."""

from __future__ import annotations

import math
from pathlib import Path

from greenbench.record import Record
from greenbench.report.group import Group
from greenbench.statistics import estimate

PANEL_INCHES = 4.2
COLUMNS = 2


def draw(group: Group, path: Path) -> Path | None:
    """Draw held-out metric against training cost for a group, as SVG; the file is the same every time.

    The cost is energy where every run has it, and time otherwise.

    Returns
    -------
    Path or None
        None where no training run of the group finished.
    """
    panels = {}
    for task in ("classification", "segmentation"):
        for dataset in group.datasets("training", task):
            points = _points(group, dataset)
            if points:
                panels[dataset] = points
    if not panels:
        return None
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = math.ceil(len(panels) / COLUMNS)
    with mpl.rc_context({"svg.hashsalt": "greenbench", "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=(PANEL_INCHES * COLUMNS, 0.8 * PANEL_INCHES * rows), layout="constrained")
        axes = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
        for panel in axes[len(panels) :]:
            panel.set_axis_off()
        for panel, (dataset, points) in zip(axes, panels.items(), strict=False):
            measured = all(energy is not None for _, _, _, energy in points)
            for name, gain, seconds, energy in points:
                cost = energy if measured and energy is not None else seconds
                color = "tab:orange" if name == "Baseline" else "tab:green"
                panel.scatter([cost], [100 * gain], s=22, color=color, zorder=3)
                panel.annotate(
                    name, (cost, 100 * gain), xytext=(4, 3), textcoords="offset points", fontsize=6.5
                )
            records = group.baseline("training", dataset) or group.of("training", points[0][0], dataset)
            title, metric = (records[0].data.title, _metric(records[0])) if records else (dataset, "metric")
            panel.set_title(title)
            panel.set_ylabel(f"{metric}, held out (%)")
            panel.set_xlabel("training energy (J)" if measured else "training time (s)")
            panel.grid(alpha=0.3)
            panel.margins(x=0.18, y=0.12)
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def _points(group: Group, dataset: str) -> list[tuple[str, float, float, float | None]]:
    """Return (title, held-out metric, seconds, joules or None) of every technique that finished."""
    points = []
    for name in group.techniques("training", [dataset]):
        runs = [r.training for r in group.of("training", name, dataset) if r.training]
        gains = [run.heldout[run.metric] for run in runs if run.heldout]
        if not gains or len(gains) < len(runs):
            continue
        joules = [run.energy.energy_j for run in runs]
        known = [value for value in joules if value is not None]
        energy = estimate(known).mean if len(known) == len(runs) else None
        title = group.of("training", name, dataset)[0].technique.title
        seconds = estimate([run.train_seconds for run in runs]).mean
        points.append((title, estimate(gains).mean, seconds, energy))
    return points


def _metric(record: Record) -> str:
    assert record.training is not None
    return {"accuracy": "accuracy", "miou": "mIoU"}[record.training.metric]
