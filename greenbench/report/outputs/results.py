"""What tables say, as JSON: means with their intervals and verdicts. `results.schema.json` describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from greenbench.records.record import Record, by_technique
from greenbench.report.content import Content
from greenbench.report.layout import layouts
from greenbench.report.sections import ComparableSet
from greenbench.report.values import measured, readings
from greenbench.spec.case import IMPORTED
from greenbench.verdict.quantities import Quantity
from greenbench.verdict.verdict import Verdict
from greenbench.version import VERSION

SCHEMA = 1
"""Version of the format."""


def render(content: Content) -> str:
    """Return the file."""
    found = {
        "schema": SCHEMA,
        "greenbench": VERSION,
        "carbon_intensity": str(content.intensity),
        "sections": [
            {
                "heading": section.heading,
                "machine": asdict(section.machine),
                "scale": section.scale,
                "mode": section.mode,
                "results": [result for found in section.sets for result in _results(found, content)],
            }
            for section in content.sections
        ],
        "failures": list(content.failures),
        "not_applicable": list(content.skipped),
        "audit": [asdict(finding) for finding in content.findings],
        "left_out": [{"file": file.path.name, "reason": file.reason} for file in content.left_out],
    }
    return json.dumps(found, indent=1, allow_nan=False, default=list) + "\n"


def _results(found: ComparableSet, content: Content) -> Iterator[dict[str, Any]]:
    """Yield what one technique gave on one workload, quantity by quantity."""
    verdicts = {(one.technique, one.quantity): one for one in found.verdicts}
    for technique, records in by_technique(found.records).items():
        first = records[0]
        shown = [
            column.of(first.workload.metric)
            for layout in layouts(content.intensity)
            if layout.kind == first.case.kind
            for column in layout.columns
        ]
        yield {
            "workload": first.case.workload,
            "kind": first.case.kind,
            "conditions": found.caption,
            "technique": technique,
            "title": first.technique.title,
            "n": len(records),
            "records": [record.file_name for record in records],
            "quantities": [_quantity(one, records, verdicts.get((technique, one.name))) for one in shown],
        }


def _quantity(quantity: Quantity, records: Sequence[Record], verdict: Verdict | None) -> dict[str, Any]:
    mean = measured(quantity, records)
    return {
        "quantity": quantity.name,
        "unit": "" if quantity.unit == "%" else quantity.unit,
        "better": quantity.better,
        "mean": None if mean is None else mean.mean,
        "half_width": None if mean is None else mean.half_width,
        "status": sorted({reading.status.value for reading in readings(quantity, records)}),
        "reason": None if mean is not None else _why_missing(quantity.why_missing(records[0]), records),
        "verdict": None if verdict is None else _word(verdict),
    }


def _word(verdict: Verdict) -> dict[str, Any]:
    names = ("word", "n", "difference", "half_width", "p", "p_same", "margin", "more_runs", "reason")
    return {name: getattr(verdict, name) for name in names}


def _why_missing(reason: str | None, records: Sequence[Record]) -> str:
    if reason:
        return reason
    return "the table has no value" if records[0].case.kind == IMPORTED else "not measured in every run"
