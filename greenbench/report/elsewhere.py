"""What a reader must know of a table that others made: where it comes from, how it was read, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from greenbench.records.elsewhere import Elsewhere
from greenbench.records.reader import FIELDS
from greenbench.records.record import Record
from greenbench.records.results import Imported
from greenbench.spec.technique import BASELINE

SHOWN = 3
"""Places that a remark names; it counts the others."""


def source_lines(origin: Elsewhere, records: Sequence[Record]) -> Iterator[str]:
    """Say which table it is and what was read from it."""
    yield (
        f"Source: {origin.table}, {origin.rows} rows, sha256 {origin.sha256}. greenbench measured none of it, and compares "
        "it with nothing else"
    )
    units = {
        "score": f" ({origin.score_unit}, {origin.better} is better)",
        "energy": f" ({origin.energy_unit})",
    }
    read = (f"{role} is {' and '.join(names)}{units.get(role, '')}" for role, names in origin.columns.items())
    spent = "since the start of the run" if origin.cumulative else "since the row before, and is added up"
    of_rows = f"; what a row spent is {spent}" if "epoch" in origin.columns else ""
    yield f"Read: {'; '.join(read)}{of_rows}"
    if origin.unread:
        yield f"Not read: {', '.join(origin.unread)}"
    seeds = {record.case.seed for record in records}
    commits = sorted({record.commit or "installed package" for record in records})
    yield f"Baseline: {origin.baseline}; {len(seeds)} seeds, from {min(seeds)} to {max(seeds)}"
    yield f"Suite: greenbench {origin.greenbench}, {', '.join(commits)}"


def remarks(origin: Elsewhere, records: Sequence[Record]) -> Iterator[str]:
    """Say what a table lacks, and what looks like a mistake in it."""
    for role, field in FIELDS.items():
        if role not in origin.columns:
            continue
        found = [(record, record.result) for record in records if isinstance(record.result, Imported)]
        if lacking := [result.reasons[field] for _, result in found if getattr(result, field) is None]:
            yield (
                f"No {role} in {_of(len(lacking), len(found), 'run')}: {_first(lacking)}. A technique has a mean and a "
                "verdict only where all its runs have the value"
            )
        zeros = [f"line {result.line}" for _, result in found if getattr(result, field) == 0]
        if zeros and role != "score":
            yield (
                f"The {role} is 0 in {_of(len(zeros), len(found), 'run')} ({_first(zeros)}), which is what a failed "
                "measurement looks like: there is no verdict on it"
            )
    yield from _running_totals(origin, records)
    yield from _one_sided(records)
    yield from _alike(records)


def _running_totals(origin: Elsewhere, records: Sequence[Record]) -> Iterator[str]:
    """Doubt that a column is of single epochs if it grows from each to the next in every run."""
    curves = [
        record.result.curve
        for record in records
        if isinstance(record.result, Imported) and len(record.result.curve) > 2
    ]
    for role, field in FIELDS.items():
        if origin.cumulative or role not in ("energy", "seconds") or role not in origin.columns or not curves:
            continue
        if all(_grows([getattr(point, field) for point in curve]) for curve in curves):
            column = origin.columns[role][0]
            yield (
                f"{column} grows from epoch to epoch in every run: if it says what was spent since the start of the run, "
                "read the table again with --cumulative"
            )


def _grows(totals: Sequence[float | None]) -> bool:
    known = [total for total in totals if total is not None]
    steps = [known[0], *(after - before for before, after in pairwise(known))] if known else []
    return len(steps) > 2 and all(after > before for before, after in pairwise(steps))


def _one_sided(records: Sequence[Record]) -> Iterator[str]:
    """Name the seeds that a technique or the baseline has alone on a workload."""
    seeds: dict[str, dict[str, set[int]]] = {}
    titles = {record.case.technique: record.technique.title for record in records}
    for record in records:
        seeds.setdefault(record.workload.title, {}).setdefault(record.case.technique, set()).add(
            record.case.seed
        )
    gaps = []
    for workload, techniques in seeds.items():
        ours = techniques.get(BASELINE)
        if ours is None:
            gaps.append(f"{workload} has no row of the baseline")
            continue
        for name, title in titles.items():
            theirs = techniques.get(name)
            if theirs is None:
                gaps.append(f"{workload} has no row of {title}")
            elif theirs != ours:
                alone = [f"seed {seed}" for seed in sorted(ours ^ theirs)]
                gaps.append(f"{title} on {workload} and the baseline do not share {_first(alone)}")
    if gaps:
        yield f"Verdicts rest on the seeds that both sides have: {_first(gaps)}"


def _alike(records: Sequence[Record]) -> Iterator[str]:
    """Name techniques and workloads whose names differ in letters' case or in signs alone."""
    for what, names in (
        ("techniques", {record.technique.title for record in records}),
        ("workloads", {record.workload.title for record in records}),
    ):
        found: dict[str, list[str]] = {}
        for name in sorted(names):
            found.setdefault("".join(filter(str.isalnum, name.casefold())), []).append(name)
        for same in found.values():
            if len(same) > 1:
                yield f"Taken as different {what}: {', '.join(same)}"


def _first(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN
    return "; ".join([*texts[:SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _of(number: int, total: int, what: str) -> str:
    return f"{number} of {total} {what}s"
