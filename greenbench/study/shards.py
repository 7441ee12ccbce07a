"""A part of a study for each of several jobs: whole pairs, dealt out by what they would take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenbench.errors import UserError
from greenbench.spec.case import KINDS, Case
from greenbench.spec.technique import BASELINE
from greenbench.spec.workload import Workload
from greenbench.study.plan import Pair

MOST_SHARDS = 1000

USUAL_IMAGES, USUAL_SIZE = 10_000, (64, 64)
"""Stand for what only a workload's data tell: each job must come to the same division, whether it has them or not."""


@dataclass(frozen=True)
class Shard:
    """One of `of` parts, counted from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def read_shard(text: str) -> Shard:
    """Return what a text such as ``2/4`` says.

    Raises
    ------
    UserError
        If it says something else.
    """
    found = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text.strip())
    number, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= of <= MOST_SHARDS:
        raise UserError(
            f"--green-shard is {text!r}",
            f"give a part and the number of parts, 1/4 to 4/4 for four of them; {MOST_SHARDS} at most",
        )
    return Shard(number, of)


def in_shard(pairs: Sequence[Pair], workloads: Mapping[str, Workload], shard: Shard) -> list[Pair]:
    """Return the pairs that a shard runs; those of each kind are dealt out on their own."""
    dealt = (
        deal([pair for pair in pairs if pair[0].kind == kind], workloads, shard.of)[shard.number - 1]
        for kind in KINDS
    )
    return [pair for part in dealt for pair in part]


def deal(pairs: Sequence[Pair], workloads: Mapping[str, Workload], parts: int) -> list[list[Pair]]:
    """Deal out pairs of one kind: the longest first, each to the part that has the least to do with it.

    A part also runs the baseline of each workload that it has a pair of, because nothing is compared across machines:
    pairs of one workload therefore stay together where that costs less. The result is the same wherever it is computed.

    Returns
    -------
    For each part its pairs, in the order of `pairs`.
    """
    loads = [0.0] * parts
    opened: list[set[str]] = [set() for _ in range(parts)]
    part_of: dict[str, int] = {}
    work = {pair[0].id: work_of(pair[0], workloads[pair[0].workload]) * len(pair) for pair in pairs}

    def added(pair: Pair, part: int) -> float:
        own = work[pair[0].id]
        if pair[0].workload not in opened[part]:
            return own if pair[0].technique == BASELINE else 2 * own
        return 0.0 if pair[0].technique == BASELINE else own

    def order(pair: Pair) -> tuple[float, str, bool, str]:
        case = pair[0]
        return -work[case.id], case.workload, case.technique == BASELINE, case.technique

    for pair in sorted(pairs, key=order):
        best = min(range(parts), key=lambda part: (loads[part] + added(pair, part), part))
        loads[best] += added(pair, best)
        opened[best].add(pair[0].workload)
        part_of[pair[0].id] = best
    return [[pair for pair in pairs if part_of[pair[0].id] == part] for part in range(parts)]


def work_of(case: Case, workload: Workload) -> float:
    """Return a measure of what a case takes beside others of its kind: the pixels that a training reads."""
    if case.kind != "training":
        return 1.0
    setting = workload.setting(case.scale)
    part = setting.subset.train if setting.subset is not None else None
    height, width = workload.size_at(case.scale) or USUAL_SIZE
    return float(setting.epochs * (part or workload.train_images or USUAL_IMAGES) * height * width)
