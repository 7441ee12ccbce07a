"""What tables say, as JSON: means with their intervals and verdicts. `results.schema.json` describes it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from greenbench.records.record import Record, by_technique
from greenbench.report.content import Content
from greenbench.report.layout import layouts
from greenbench.report.sections import ComparableSet
from greenbench.report.values import measured, readings
from greenbench.spec.case import IMPORTED
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


def _results(found: ComparableSet, content: Content) -> list[dict[str, Any]]:
    if not found.records:
        return []
    first = found.records[0]
    rows = []
    for technique, records in by_technique(found.records).items():
        for layout in layouts(content.intensity):
            if layout.kind != first.case.kind:
                continue
            for column in layout.columns:
                quantity = column.of(first.workload.metric)
                mean = measured(quantity, records)
                statuses = sorted({reading.status.value for reading in readings(quantity, records)})
                verdict = next(
                    (
                        one
                        for one in found.verdicts
                        if one.technique == technique and one.quantity == quantity.name
                    ),
                    None,
                )
                rows.append(
                    {
                        "workload": first.case.workload,
                        "kind": first.case.kind,
                        "conditions": found.caption,
                        "technique": technique,
                        "title": records[0].technique.title,
                        "quantity": quantity.name,
                        "unit": "" if quantity.unit == "%" else quantity.unit,
                        "better": quantity.better,
                        "n": len(records),
                        "mean": None if mean is None else _finite(mean.mean),
                        "half_width": None if mean is None else mean.half_width,
                        "status": statuses,
                        "reason": _why_missing(quantity.why_missing(records[0]), records)
                        if mean is None
                        else None,
                        "verdict": None if verdict is None else asdict(verdict),
                        "records": [record.file_name for record in records],
                    }
                )
    return rows


def _why_missing(reason: str | None, records: list[Record] | tuple[Record, ...]) -> str:
    if reason:
        return reason
    return "the table has no value" if records[0].case.kind == IMPORTED else "not measured in every run"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
