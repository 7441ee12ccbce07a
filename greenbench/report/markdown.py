"""The report as Markdown, and its short form for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from greenbench.energy.carbon import CarbonIntensity
from greenbench.case import Kind
from greenbench.records.machine import Machine
from greenbench.audit.findings import Finding
from greenbench.records.record import Unreadable
from greenbench.report.columns import Column, cell, inference_columns, training_columns
from greenbench.report.group import Group
from greenbench.report.notes import notes_on

SHORT_INFERENCE_COLUMNS = 5
"""The paper's own columns; a terminal is narrow."""

METRIC_TITLES = {"classification": "Accuracy", "segmentation": "mIoU"}

READING_GUIDE = (
    "**Bold**: same as or better than the baseline. ★: best of its column. –: not measured. Metrics are those "
    "after the last epoch, on held-out images and on as many training images. Techniques that leave the network "
    "alone have no inference of their own and are absent there. FLOPs are counted as the paper does: one per "
    "multiply-add of the convolutions."
)


def render(
    groups: Sequence[Group],
    figures: Sequence[str | None],
    unreadable: Sequence[Unreadable],
    findings: Sequence[Finding],
    intensity: CarbonIntensity,
) -> str:
    """Return the whole report."""
    parts = ["# greenbench report", READING_GUIDE]
    for group, figure in zip(groups, figures, strict=True):
        parts += _section(group, figure, intensity)
    parts += ["## Audit", _audit(findings)]
    if unreadable:
        parts.append("## Files left out")
        parts.append("\n".join(f"- `{bad.path.name}`: {_escape(bad.reason)}" for bad in unreadable))
    parts += _cards(groups)
    return "\n\n".join(parts) + "\n"


def summarize(
    groups: Sequence[Group],
    unreadable: Sequence[Unreadable],
    findings: Sequence[Finding],
    intensity: CarbonIntensity,
) -> list[str]:
    """Return lines for a terminal: gain and cost of every pair, what does not fit, and what was left out."""
    lines = []
    for group in groups:
        for task, title in METRIC_TITLES.items():
            tables: tuple[tuple[Kind, list[Column]], ...] = (
                ("training", training_columns(title)),
                ("inference", inference_columns(intensity)[:SHORT_INFERENCE_COLUMNS]),
            )
            for kind, columns in tables:
                for dataset in group.datasets(kind, task):
                    rows = _rows(group, kind, [dataset], columns)
                    headers = [_dataset_title(group, kind, dataset), *(column.title for column in columns)]
                    lines.append(tabulate(_plain(rows), headers, tablefmt="simple", disable_numparse=True))
                    lines.append("")
    lines += [f"audit: {finding.rule}: {finding.conclusion}" for finding in findings]
    lines += [f"left out: {bad.path.name}: {bad.reason}" for bad in unreadable]
    return lines


def _audit(findings: Sequence[Finding]) -> str:
    """Return what the rules that were made for the published tables find in these records."""
    if not findings:
        return "The rules of `greenbench audit` find nothing in these records that cannot be."
    return "\n".join(
        f"- **{finding.rule}** ({finding.verdict}): {_escape(finding.conclusion)} "
        f"{_escape('; '.join(finding.arithmetic))}; bound: {_escape(finding.bound)}."
        for finding in findings
    )


def _section(group: Group, figure: str | None, intensity: CarbonIntensity) -> list[str]:
    parts = [f"## {group.protocol.name}, on {group.machine.gpu or group.machine.cpu}", _conditions(group)]
    for task, metric_title in METRIC_TITLES.items():
        if datasets := group.datasets("training", task):
            parts.append(f"### Training: {task}")
            parts.append(_table(group, "training", datasets, training_columns(metric_title)))
    if figure:
        parts.append(f"![Held-out metric against the cost of training]({figure})")
    for task in METRIC_TITLES:
        if datasets := group.datasets("inference", task):
            parts.append(f"### Inference: {task}")
            parts.append(_table(group, "inference", datasets, inference_columns(intensity)))
    parts.append("\n".join(f"- {_escape(note)}" for note in notes_on(group, intensity)))
    return parts


def _conditions(group: Group) -> str:
    machine, protocol = group.machine, group.protocol
    epochs = ", ".join(f"{name} {count}" for name, count in protocol.epochs.items())
    seeds = sorted({record.case.seed for records in group.records.values() for record in records})
    commits = sorted(
        {r.suite_commit or "installed package" for records in group.records.values() for r in records}
    )
    rows = [
        ("Machine", _describe(machine)),
        ("Software", f"torch {machine.torch}, torchvision {machine.torchvision}, Python {machine.python}"),
        ("Suite", f"greenbench {machine.greenbench}, {', '.join(commits)}"),
        ("Protocol", f"{protocol.name}, mode {protocol.mode}; epochs: {epochs}; width {protocol.width:g}"),
        ("Seeds", ", ".join(map(str, seeds))),
    ]
    if machine.workers > 1:
        rows.append(
            ("Disturbed", f"{machine.workers} processes measured side by side: times are not comparable")
        )
    return tabulate([(f"**{key}**", _escape(value)) for key, value in rows], ("", ""), tablefmt="pipe")


def _describe(machine: Machine) -> str:
    cpu = f"{machine.cpu} ({machine.cpu_threads} threads)"
    if machine.gpu is None:
        return f"{cpu}, no GPU"
    return f"{machine.gpu} ({machine.gpu_uuid}, driver {machine.driver or 'unknown'}), {cpu}"


def _table(group: Group, kind: Kind, datasets: Sequence[str], columns: Sequence[Column]) -> str:
    headers = ["Method"]
    for dataset in datasets:
        headers += [f"{_dataset_title(group, kind, dataset)}<br>{column.title}" for column in columns]
    align = ["left", *["right"] * (len(headers) - 1)]
    rows = _rows(group, kind, datasets, columns)
    return tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True)


def _rows(group: Group, kind: Kind, datasets: Sequence[str], columns: Sequence[Column]) -> list[list[str]]:
    techniques = group.techniques(kind, datasets)
    rows = {name: [_escape(_technique_title(group, kind, name, datasets))] for name in techniques}
    for dataset in datasets:
        for column in columns:
            baseline = column.estimate(group.baseline(kind, dataset))
            values = {name: column.estimate(group.of(kind, name, dataset)) for name in techniques}
            means = [value.mean for value in values.values() if value is not None]
            best = (max if column.more_is_better else min)(means, default=None)
            for name in techniques:
                rows[name].append(cell(column, group.of(kind, name, dataset), baseline, best))
    return list(rows.values())


def _cards(groups: Sequence[Group]) -> list[str]:
    """Return the method cards of all techniques in the report, folded."""
    cards = {}
    for group in groups:
        for records in group.records.values():
            facts = records[0].technique
            cards[facts.title] = facts
    parts = ["## Method cards"]
    for title, facts in sorted(cards.items()):
        changed = ", ".join(facts.changed_fields) or "nothing"
        lines = [
            f"<details><summary>{_escape(title)}</summary>",
            facts.card,
            f"*{facts.category}. {_escape(facts.citation)}. Changes: {changed}. File: {facts.file}.*",
            "</details>",
        ]
        parts.append("\n\n".join(lines))
    return parts


def _technique_title(group: Group, kind: Kind, name: str, datasets: Sequence[str]) -> str:
    return next(r[0].technique.title for d in datasets if (r := group.of(kind, name, d)))


def _dataset_title(group: Group, kind: Kind, dataset: str) -> str:
    return next(r[0].data.title for (k, _, d), r in group.records.items() if (k, d) == (kind, dataset))


def _plain(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Take Markdown's emphasis off: a terminal shows the star alone."""
    return [[text.replace("**", "").replace("\\|", "|") for text in row] for row in rows]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
