"""All values as rows of a CSV file: one for each run and quantity, in SI units; see docs/report.md for its columns."""

from __future__ import annotations

import csv
import io

from greenbench.energy.reading import Status
from greenbench.records.record import Record
from greenbench.records.results import Failure
from greenbench.report.content import Content
from greenbench.verdict.quantities import QUANTITIES, Quantity, quantities_of, shown_quantities

COLUMNS = (
    "machine",
    "scale",
    "mode",
    "kind",
    "workload",
    "technique",
    "category",
    "seed",
    "quantity",
    "value",
    "unit",
    "better",
    "status",
    "reason",
    "record",
)
FAILED = "failed"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def render(content: Content) -> str:
    """Return the file."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    shown = {one.name: one for one in (*shown_quantities(content.intensity), *QUANTITIES.values())}
    for section in content.sections:
        for record in section.records:
            case = record.case
            head = [
                section.heading,
                case.scale,
                case.mode,
                case.kind,
                case.workload,
                case.technique,
                record.technique.category,
            ]
            for quantity in quantities_of(record, shown.values()):
                writer.writerow([*map(_text, head), case.seed, *_value(quantity, record), record.file_name])
    return file.getvalue()


def _value(quantity: Quantity, record: Record) -> list[object]:
    """Return name, value, unit, direction, status and reason; without a value, a reason."""
    unit = "" if quantity.unit == "%" else quantity.unit
    value = quantity.take(record)
    reading = quantity.reading(record) if quantity.reading is not None else None
    status = reading.status.value if reading is not None else Status.MEASURED.value
    reason = quantity.why_missing(record) or ""
    if isinstance(record.result, Failure):
        status, reason = FAILED, f"{record.result.stage}: {record.result.error}"
    elif value is None and status == Status.MEASURED:
        status = Status.NOT_MEASURED.value
    return [quantity.name, "" if value is None else repr(value), unit, quantity.better, status, _text(reason)]


def _text(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text
