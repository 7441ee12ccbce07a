"""Verdicts: whether a technique is better than the baseline, the same, or worse, as far as the runs can tell.

A verdict is about one technique on one workload in one quantity. Runs are paired by seed; costs are compared by their
logarithms. ``better`` and ``worse`` need a difference that chance makes in at most 5 % of studies, ``same`` a difference
that is shown to be within a margin by two one-sided tests, at the same level. A study is all that was measured on one
machine, at one scale, in one mode. What is counted is compared as it is, and one run is enough.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from greenbench.records.conditions import newest, same_conditions
from greenbench.records.folder import VERDICTS
from greenbench.records.record import Record
from greenbench.verdict.comparison import Comparison, compared, groups
from greenbench.verdict.family import against_one_baseline, holm
from greenbench.verdict.power import more_runs
from greenbench.verdict.statistics import TAIL, quantile

Word = Literal["better", "same", "worse", "undecided"]

LEVEL = 0.05
"""Share of studies in which some ``better`` or ``worse`` may be false, and likewise some ``same``."""

UNLIKE = 2
"""What p-values of techniques that lend each other their noise are multiplied by: noises that are unlike, which few runs
cannot show, make false claims up to so much more frequent (`python -m bench_tests.calibration`)."""

ONE_RUN = "one run, no verdict"


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
        Of its 95 % interval, this comparison taken alone; None for a single pair, and for counted quantities.
    p
        Of no difference, adjusted for all comparisons of the study; None where `half_width` is.
    p_same
        Of a difference beyond the margin, adjusted likewise.
    margin
        The difference that does not matter, on the scale of `difference`; None for counted quantities.
    effect_size
        The difference by the standard deviation of a run.
    superiority
        Probability that a run of the technique is better than one of the baseline, for normal noise.
    more_runs
        How many more seeds would decide, if the runs go on as they did; None where it is decided, not known, or more than
        a thousand.
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
    half_width: float | None = None
    p: float | None = None
    p_same: float | None = None
    margin: float | None = None
    effect_size: float | None = None
    superiority: float | None = None
    more_runs: int | None = None
    reason: str = ""
    records: tuple[str, ...] = ()


def verdicts(records: Sequence[Record]) -> list[Verdict]:
    """Return all verdicts that the records allow: each technique against the baseline of the same conditions.

    Of a technique that was edited between runs, the newest version counts; of a case that was run twice, the newest run.
    """
    studies: dict[tuple[str, ...], list[list[Record]]] = {}
    for alike in same_conditions([record for record in records if record.sound]):
        first = alike[0]
        study = first.case.scale, first.case.mode, first.machine.key
        ordered = sorted(newest(alike)[0], key=lambda record: (record.case.technique, record.case.seed))
        studies.setdefault(study, []).append(ordered)
    return [verdict for sets in studies.values() for found in judge(sets) for verdict in found]


def judge(sets: Sequence[Sequence[Record]]) -> list[list[Verdict]]:
    """Judge a study: sets of records, within which all may be compared. Return the verdicts on each set."""
    found = [groups(sorted(records, key=lambda record: record.case.seed)) for records in sets]
    comparisons = compared([group for of_set in found for group in of_set])
    looks = max((record.looks for records in sets for record in records), default=1)
    words, of_group = _words(comparisons, looks), iter(comparisons)
    judged = [[next(words) for _ in of_set for _ in next(of_group)] for of_set in found]
    order = [list(dict.fromkeys(record.case.technique for record in records)) for records in sets]
    return [
        sorted(ones, key=lambda one: names.index(one.technique))
        for ones, names in zip(judged, order, strict=True)
    ]


def write_verdicts(found: Sequence[Verdict], folder: Path) -> Path:
    """Write verdicts beside the records they are made from."""
    path = folder / VERDICTS
    path.write_text(json.dumps([vars(verdict) for verdict in found], indent=1) + "\n", encoding="utf-8")
    return path


def _words(found: Sequence[Sequence[Comparison]], looks: int) -> Iterator[Verdict]:
    """Return the verdict on each of some comparisons, those of one baseline together."""
    tested = [[one for one in ones if one.has_error] for ones in found]
    families = sum(bool(ones) for ones in tested)
    count = sum(len(ones) for ones in tested)
    outside = iter(holm([one.p_outside for ones in tested for one in ones]))
    for ones, of_group in zip(found, tested, strict=True):
        adjusted = iter(against_one_baseline([one.contrast for one in of_group]))
        times = looks * families * (UNLIKE if len(of_group) > 1 else 1)
        for one in ones:
            if not one.has_error:
                yield _without_error(one)
                continue
            p = min(1.0, times * next(adjusted))
            p_same = min(1.0, looks * next(outside))
            needed = more_runs(one, LEVEL / (times * len(of_group)), LEVEL / (looks * count))
            yield _with_error(one, p, p_same, needed)


def _without_error(one: Comparison) -> Verdict:
    if one.quantity.exact:
        return _verdict(one, "same" if one.gain == 0 else "better" if one.gain > 0 else "worse")
    return _verdict(one, "undecided", reason=ONE_RUN)


def _with_error(one: Comparison, p: float, p_same: float, needed: int | None) -> Verdict:
    from scipy.special import ndtr

    word: Word = "undecided"
    if p_same <= LEVEL:  # before a difference that is certain, too: it does not matter
        word = "same"
    elif p <= LEVEL:
        word = "better" if one.gain > 0 else "worse"
    return _verdict(
        one,
        word,
        half_width=quantile(TAIL, one.df) * one.standard_error,
        p=p,
        p_same=p_same,
        effect_size=math.sqrt(2) * one.difference / one.spread if one.spread else None,
        superiority=float(ndtr(one.gain / one.spread)) if one.spread else None,
        more_runs=needed if word == "undecided" else None,
        reason=_why_undecided(needed) if word == "undecided" else "",
    )


def _why_undecided(needed: int | None) -> str:
    if needed is None:
        return "the runs scatter more than they differ"
    return f"the runs scatter too much: about {needed} more seed{'s' * (needed != 1)} would decide"


def _verdict(one: Comparison, word: Word, **found: Any) -> Verdict:
    first = one.records[0].case
    names = tuple(record.file_name for record in one.records)
    return Verdict(
        first.technique,
        first.workload,
        first.scale,
        one.quantity.name,
        word,
        one.n,
        one.difference,
        margin=None if one.quantity.exact else one.margin,
        **found,
        records=names,
    )
