"""The baseline against itself: real runs, dealt at random to a baseline and to techniques that do not exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench_tests.calibration.simulation import Outcome
from greenbench.errors import UserError
from greenbench.records.conditions import newest, same_conditions
from greenbench.records.record import Record
from greenbench.spec.technique import BASELINE
from greenbench.verdict.verdict import judge

TECHNIQUES, SEEDS = 3, 3


def against_itself(records: Sequence[Record], studies: int, seed: int = 0) -> Outcome:
    """Deal the runs of each baseline anew for each study, judge it, and count; no difference is true.

    Raises
    ------
    UserError
        If no baseline has enough runs.
    """
    sound = [record for record in records if record.sound and record.case.technique == BASELINE]
    needed = (TECHNIQUES + 1) * SEEDS
    pools = [pool for pool in (newest(alike)[0] for alike in same_conditions(sound)) if len(pool) >= needed]
    if not pools:
        raise UserError(
            f"no baseline has {needed} runs under equal conditions",
            f"run one with --green-technique baseline --green-seeds {needed}, or more",
        )
    rng = np.random.default_rng(seed)
    false_claims = covered = same = comparisons = 0
    for _ in range(studies):
        found = [
            verdict
            for ones in judge([_dealt(pool, rng) for pool in pools])
            for verdict in ones
            if verdict.p is not None
        ]
        false_claims += any(verdict.word in ("better", "worse") for verdict in found)
        covered += sum(abs(verdict.difference) <= (verdict.half_width or 0.0) for verdict in found)
        same += sum(verdict.word == "same" for verdict in found)
        comparisons += len(found)
    return Outcome(false_claims / studies, 0.0, covered / comparisons, None, same / comparisons)


def _dealt(pool: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    dealt = []
    for place, index in enumerate(rng.permutation(len(pool))[: (TECHNIQUES + 1) * SEEDS]):
        row, seed = divmod(place, SEEDS)
        name = f"again{row}" if row else BASELINE
        record = pool[index]
        dealt.append(
            replace(
                record, key="", case=replace(record.case, technique=name, technique_digest=name, seed=seed)
            )
        )
    return dealt
