"""Verdicts: whether a technique is better than the baseline, the same, or worse, as far as the runs can tell.

A verdict is about one technique on one workload in one quantity. Runs are paired by seed. Counted quantities are compared
as they are. Measured ones need two pairs at least: the 95 % interval of the paired difference (of logarithms for costs)
decides. ``same`` needs the whole interval inside a margin.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from greenbench.records.conditions import newest, same_conditions
from greenbench.records.folder import VERDICTS
from greenbench.records.record import Record
from greenbench.spec.technique import BASELINE
from greenbench.verdict.quantities import QUANTITIES, Quantity
from greenbench.verdict.statistics import Estimate, paired_difference

Word = Literal["better", "same", "worse", "undecided"]

SCORE_MARGIN = 0.01
"""Differences of a score below a point do not matter here."""

COST_MARGIN = 0.05
"""Nor do costs that differ by less than 5 %."""


@dataclass(frozen=True)
class Verdict:
    """What the runs say of a technique against its baseline.

    Attributes
    ----------
    technique, workload, scale, quantity
        What was compared.
    word
        The verdict.
    n
        Pairs of runs.
    difference
        Mean of technique - baseline for scores, of log(technique / baseline) for costs.
    half_width
        Of its 95 % interval; None for a single pair, and for counted quantities.
    reason
        Why it is not decided.
    records
        Names of the technique's record files.
    """

    technique: str
    workload: str
    scale: str
    quantity: str
    word: Word
    n: int
    difference: float
    half_width: float | None
    reason: str = ""
    records: tuple[str, ...] = ()


def verdicts(records: Sequence[Record]) -> list[Verdict]:
    """Return all verdicts that the records allow: each technique against the baseline of the same conditions.

    Of a technique that was edited between runs, the newest version counts; of a case that was run twice, the newest run.
    """
    found: list[Verdict] = []
    for alike in same_conditions([record for record in records if record.sound]):
        comparable = sorted(newest(alike)[0], key=lambda record: record.case.seed)
        baseline = [record for record in comparable if record.case.technique == BASELINE]
        for name in dict.fromkeys(record.case.technique for record in comparable):
            ours = [record for record in comparable if record.case.technique == name]
            if name != BASELINE and baseline:
                found += judge(ours, baseline)
    return found


def judge(records: Sequence[Record], baseline: Sequence[Record]) -> Iterator[Verdict]:
    """Return the verdicts on one technique's comparable records, one for each quantity that both have."""
    first = records[0]
    names = tuple(record.file_name for record in records)
    for quantity in QUANTITIES.values():
        quantity = quantity.of(first.workload.metric)
        found = _compare(quantity, records, baseline)
        if found is None:
            continue
        word, reason = _word(quantity, found)
        yield Verdict(
            first.case.technique,
            first.case.workload,
            first.case.scale,
            quantity.name,
            word,
            found.runs,
            found.mean,
            None if quantity.exact else found.half_width,
            reason,
            names,
        )


def write_verdicts(found: Sequence[Verdict], folder: Path) -> Path:
    """Write verdicts beside the records they are made from."""
    path = folder / VERDICTS
    path.write_text(json.dumps([asdict(verdict) for verdict in found], indent=1) + "\n", encoding="utf-8")
    return path


def _compare(quantity: Quantity, records: Sequence[Record], baseline: Sequence[Record]) -> Estimate | None:
    ours, theirs = quantity.by_seed(records), quantity.by_seed(baseline)
    if len(ours) < len(records):
        return None  # a run that diverged, or was not measured, must not leave the verdict to the others
    if not quantity.is_score:
        if min((*ours.values(), *theirs.values()), default=0.0) <= 0:
            return None
        ours, theirs = ({s: math.log(v) for s, v in values.items()} for values in (ours, theirs))
    return paired_difference(ours, theirs)


def _word(quantity: Quantity, found: Estimate) -> tuple[Word, str]:
    gain = found.mean if quantity.better == "higher" else -found.mean
    if quantity.exact:
        return ("same" if gain == 0 else "better" if gain > 0 else "worse"), ""
    if found.half_width is None:
        return "undecided", "one run"
    margin = SCORE_MARGIN if quantity.is_score else math.log1p(COST_MARGIN)
    if abs(found.mean) + found.half_width <= margin:
        return "same", ""
    if gain > found.half_width:
        return "better", ""
    if -gain > found.half_width:
        return "worse", ""
    return "undecided", "the runs scatter more than they differ"
