"""The means of a report for services that follow a benchmark over commits.

`github_action` is for benchmark-action/github-action-benchmark (tool ``customSmallerIsBetter``; a score stands there as what
it misses to the best possible), and `bencher` for Bencher's Metric Format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from greenbench.records.record import by_technique
from greenbench.report.content import Content
from greenbench.report.values import measured
from greenbench.verdict.quantities import QUANTITIES, Quantity, quantities_of
from greenbench.verdict.statistics import Estimate


@dataclass(frozen=True)
class _Mean:
    name: str
    quantity: Quantity
    value: Estimate
    where: str


def github_action(content: Content) -> str:
    """Return entries of name, value and unit, all of them better where smaller."""
    entries = []
    for mean in _means(content):
        value, half = mean.value.mean, mean.value.half_width
        name = f"{mean.name}: {mean.quantity.name}"
        if mean.quantity.better == "higher":
            if mean.quantity.unit != "%":
                continue  # without a best value, none is missed
            value, name = 1 - value, f"{name}, missed"
        entry = {
            "name": name,
            "unit": "" if mean.quantity.unit == "%" else mean.quantity.unit,
            "value": value,
            "extra": f"{mean.where}, n = {mean.value.runs}",
        }
        entries.append(entry | ({} if half is None else {"range": f"± {half:.3g}"}))
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def bencher(content: Content) -> str:
    """Return measures by benchmark, each with its interval."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for mean in _means(content):
        value, half = mean.value.mean, mean.value.half_width
        ends = {} if half is None else {"lower_value": value - half, "upper_value": value + half}
        found.setdefault(f"{mean.name} ({mean.where})", {})[mean.quantity.name] = {"value": value, **ends}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _means(content: Content) -> Iterator[_Mean]:
    for section in content.sections:
        for found in section.sets:
            where = f"{section.heading}{f', {found.caption}' if found.caption else ''}"
            for records in by_technique(found.records).values():
                case = records[0].case
                for quantity in quantities_of(records[0], QUANTITIES.values()):
                    value = measured(quantity, records)
                    if value is not None:
                        yield _Mean(f"{case.kind} {case.technique}-{case.workload}", quantity, value, where)
