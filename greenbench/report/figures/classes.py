"""What the score is made of, class by class: the difference from the baseline of each technique."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, quantiles
from typing import Any

from greenbench.records.record import Record, by_technique
from greenbench.records.results import Training
from greenbench.report.figures.figure import BLUE, RED, Figure, Spec, named, titled, tooltip
from greenbench.report.sections import ComparableSet, Section, distinct
from greenbench.spec.technique import BASELINE
from greenbench.spec.workload import PART

MOST_CLASSES = 40
"""Of more, those in which techniques differ most."""

CAPTION = (
    "Means over the runs, minus those of the baseline, in points: blue is better than the baseline, orange worse, and the tenth that differs most has full colors. Below a class stands "
    "its score with the baseline. Single classes have no verdict, and a few of many differ by chance."
)


def figures(section: Section) -> Iterator[Figure]:
    """Yield the figure; none where no score has parts."""
    found = [spec for one in section.sets if (spec := _spec(one)) is not None]
    if found:
        yield Figure("classes", "Score by class, against the baseline", CAPTION, tuple(found), columns=1)


def _spec(found: ComparableSet) -> Spec | None:
    runs = by_technique(found.records)
    means = {name: parts for name, records in runs.items() if (parts := _parts(records))}
    reference = means.pop(BASELINE, None)
    if reference is None or not means:
        return None
    metric = found.records[0].workload.metric
    sign = 1 if metric.better == "higher" else -1
    factor = 100 if metric.unit == "%" else 1
    spread = {
        part: max(abs(of.get(part, mean) - mean) for of in means.values()) for part, mean in reference.items()
    }
    shown = sorted(sorted(spread, key=lambda part: -spread[part])[:MOST_CLASSES], key=_order)
    titles = distinct({name: records[0].technique.title for name, records in runs.items()})
    values: list[dict[str, Any]] = [
        {
            "name": name,
            "title": titles[name],
            "class": part,
            "gain": round(sign * factor * (of[part] - reference[part]), 3),
            "score": f"{factor * of[part]:.1f}",
        }
        for name, of in means.items()
        for part in shown
        if part in of
    ]
    labels = {part: f"{part} ({factor * reference[part]:.0f})" for part in shown}
    edge = _edge([abs(value["gain"]) for value in values])
    left_out = len(reference) - len(shown)
    notes = [f"{left_out} classes that differ less are left out"] if left_out else []
    return {
        "title": titled(f"{found.records[0].workload.title}{found.difference}", *notes),
        "width": {"step": 16},
        "height": {"step": 15},
        "data": {"values": values},
        "mark": {"type": "rect"},
        "encoding": {
            "x": {
                "field": "class",
                "type": "nominal",
                "title": f"Class ({metric.title} of the baseline)",
                "scale": {"domain": shown},
                "axis": {"labelExpr": named(labels), "labelAngle": -90},
            },
            "y": {
                "field": "name",
                "type": "nominal",
                "title": None,
                "scale": {"domain": [*means]},
                "axis": {"labelExpr": named(titles), "ticks": False, "domain": False},
            },
            "color": {
                "field": "gain",
                "type": "quantitative",
                "title": "points" if factor == 100 else metric.unit,
                "scale": {"domain": [-edge, 0, edge], "range": [RED, "#f4f4f4", BLUE], "clamp": True},
            },
            "tooltip": tooltip(
                (("title", "Technique"), ("class", "Class"), ("score", metric.title), ("gain", "Difference"))
            ),
        },
    }


def _edge(lengths: Sequence[float]) -> float:
    """Return the difference from which on colors are full: few that are larger must not pale the others."""
    tenths = quantiles(lengths, n=10, method="inclusive") if len(lengths) > 1 else lengths
    return tenths[-1] or max(lengths) or 1.0


def _parts(records: Sequence[Record]) -> Mapping[str, float]:
    """Return the mean of each part of the score that all runs have."""
    prefix = f"{records[0].workload.metric.name}{PART}"
    found = [
        {
            name.removeprefix(prefix): value
            for name, value in result.validation.items()
            if name.startswith(prefix)
        }
        for record in records
        if isinstance(result := record.result, Training) and result.validation is not None
    ]
    if len(found) < len(records):
        return {}
    common = set.intersection(*map(set, found))
    return {part: fmean(one[part] for one in found) for part in sorted(common, key=_order)}


def _order(part: str) -> tuple[int, str]:
    return (int(part) if part.isdecimal() else 10**9, part)
