"""The one table model, as plain data, and how it is built from comparable records. Renderers write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenbench.energy.carbon import CarbonIntensity
from greenbench.records.record import Record, by_technique
from greenbench.records.results import Failure
from greenbench.report.layout import Layout, layouts
from greenbench.report.notes import on_columns, on_records, why_no_verdict, without_values
from greenbench.report.sections import ComparableSet, Section, distinct, row_order
from greenbench.report.values import Written, mark, measured, shown, written
from greenbench.spec.technique import BASELINE
from greenbench.units import MISSING
from greenbench.verdict.quantities import Quantity
from greenbench.verdict.verdict import ONE_RUN, Verdict

MAX_COLUMNS = 9
FIXED_COLUMNS = ("Method", "n", "Records")
"""Every table has them: the first two on its left, the last on its right."""


@dataclass(frozen=True)
class Cell:
    """One value.

    Attributes
    ----------
    value
        In its parts, or a word.
    mark
        Behind a value that is not a full measurement.
    verdict
        The verdict's word on this value, empty where there is none.
    star
        Whether it is the best of its column, with the verdict ``better``.
    number
        What it is sorted by; None for a word.
    """

    value: Written
    mark: str = ""
    verdict: str = ""
    star: bool = False
    number: float | None = None

    @property
    def bold(self) -> bool:
        """Whether it is better than the baseline's, or the same."""
        return self.verdict in ("better", "same")

    def text(self, *, interval: bool = True) -> str:
        """Return the value as it is read, without emphasis and star."""
        return shown(self.value, interval=interval) + self.mark


@dataclass(frozen=True)
class Row:
    """One technique: its runs with a result, or those that failed alike.

    Attributes
    ----------
    label
        Title of the technique.
    cells
        One for each of the table's `columns`; none in the row of a failure.
    records
        What it comes from, by seed.
    failure
        Stage and error of runs that failed, else empty.
    """

    label: str
    cells: tuple[Cell, ...]
    records: tuple[Record, ...]
    failure: str = ""

    @property
    def n(self) -> int:
        """Number of runs with a result."""
        return 0 if self.failure else len(self.records)


@dataclass(frozen=True)
class Table:
    """A table; `columns` are the headings between those of `FIXED_COLUMNS`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        width = len(self.columns) + len(FIXED_COLUMNS)
        if width > MAX_COLUMNS:
            raise ValueError(
                f"the table {self.title!r} has {width} columns; at most {MAX_COLUMNS} are readable"
            )
        for row in self.rows:
            if not row.failure and len(row.cells) != len(self.columns):
                raise ValueError(f"the row {row.label!r} has {len(row.cells)} cells, not {len(self.columns)}")


def section_tables(section: Section, intensity: CarbonIntensity) -> list[Table]:
    """Build the tables of a section."""
    shown = [found for found in section.sets if found.all]
    workloads = distinct({found.all[0].case.workload: found.all[0].workload.title for found in shown})
    built = []
    for found in shown:
        titles = distinct(
            {record.case.technique: record.technique.title for record in (*found.all, *found.skipped)}
        )
        first = found.all[0]
        chosen = [layout for layout in layouts(intensity) if layout.kind == first.case.kind]
        for layout in chosen if found.records else chosen[:1]:
            title = f"{workloads[first.case.workload]}: {layout.title(first)}{found.difference}"
            built.append(_table(title, found, titles, layout, whole=layout is chosen[0]))
    return built


def _table(
    title: str, found: ComparableSet, titles: Mapping[str, str], layout: Layout, *, whole: bool
) -> Table:
    """Build one table; `whole` if failed runs and remarks on runs stand here and not in another of the set."""
    rows = by_technique(found.records)
    columns: dict[str, list[Cell]] = {}
    filled: list[Quantity] = []
    empty: list[Quantity] = []
    notes: list[str] = []
    for column in layout.columns if rows else ():
        quantity = column.of(found.records[0].workload.metric)
        cells = _cells(quantity, rows, found.verdicts)
        if any(cell.value.value != MISSING for cell in cells):
            columns[quantity.title] = cells
            filled.append(quantity)
        else:
            empty.append(quantity)
        if quantity.headline and any(cell.verdict for cell in cells):
            on = {one.technique: one for one in found.verdicts if one.quantity == quantity.name}
            columns["Verdict"] = [
                _verdict(quantity, on.get(name))
                if cell.verdict
                else Cell(Written("" if name == BASELINE else MISSING))
                for name, cell in zip(rows, cells, strict=True)
            ]
        elif quantity.headline:
            notes.append(f"Verdict is left out: {why_no_verdict(found.records)}.")
    if rows and not columns:
        columns["Result"] = [Cell(Written(MISSING)) for _ in rows]
    notes += [*without_values(empty, found.records), *on_columns(filled, found.records)]
    done = [
        Row(titles[name], tuple(cells), tuple(records))
        for (name, records), cells in zip(rows.items(), zip(*columns.values(), strict=True), strict=True)
    ]
    if whole:
        done = _with_failures(done, found.failed, titles)
        notes += on_records(found, titles)
    return Table(title, tuple(columns) or ("Result",), tuple(done), tuple(dict.fromkeys(notes)))


def _cells(
    quantity: Quantity, rows: Mapping[str, Sequence[Record]], verdicts: Sequence[Verdict]
) -> list[Cell]:
    """Return a column's cells, row by row."""
    words = {one.technique: _word(one) for one in verdicts if one.quantity == quantity.name}
    means = {name: measured(quantity, records) for name, records in rows.items()}
    gains = [mean.mean for name, mean in means.items() if mean and words.get(name) == "better"]
    best = (max if quantity.better == "higher" else min)(gains, default=None)
    cells = []
    for name, mean in means.items():
        if mean is None:
            cells.append(Cell(Written(MISSING)))
            continue
        word = words.get(name, "")
        star = word == "better" and mean.mean == best
        cells.append(Cell(written(quantity, mean), mark(quantity, rows[name]), word, star, mean.mean))
    return cells


def _verdict(quantity: Quantity, verdict: Verdict | None) -> Cell:
    """Return a verdict in words, with the difference that it is about, in the unit of the score."""
    if verdict is None or verdict.half_width is None:
        return Cell(
            Written(_word(verdict) if verdict else MISSING), number=verdict.difference if verdict else None
        )
    factor, digits = (100, ".1f") if quantity.unit == "%" else (1, ".3g")
    half = f"{factor * verdict.half_width:{digits}}"
    return Cell(
        Written(f"{verdict.word} {factor * verdict.difference:+{digits}}", half), number=verdict.difference
    )


def _word(verdict: Verdict) -> str:
    return ONE_RUN if verdict.reason == ONE_RUN else verdict.word


def _with_failures(rows: Sequence[Row], failed: Sequence[Record], titles: Mapping[str, str]) -> list[Row]:
    """Add a row for each technique and way of failing, behind the technique's own row."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in failed:
        if isinstance(record.result, Failure):
            text = f"failed: {record.result.stage}: {record.result.error}"
            found.setdefault((record.case.technique, text), []).append(record)
    failures = [Row(titles[name], (), tuple(records), text) for (name, text), records in found.items()]
    return sorted([*rows, *failures], key=lambda row: row_order(row.records[0]))
