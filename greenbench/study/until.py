"""More seeds where they matter: until verdicts are decided, by looks that are planned ahead.

Each look at the verdicts could claim falsely. There are `LOOKS` of them at most, and each takes the same part of the chance
of a false claim (Bonferroni), so that all together keep it, whenever a technique's runs end. A technique without a chance
to be decided gets no more runs: that makes no claim.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from greenbench.study.plan import Pair, shuffled
from greenbench.study.session import LOOKS, Session
from greenbench.verdict.quantities import SCORE, TRAIN_ENERGY, TRAIN_TIME
from greenbench.verdict.verdict import Verdict, verdicts

GROWTH = 1.5
"""Of the number of seeds from one look to the next: 3, 5, 8, 12, 18."""


def seeds_at(look: int, first: int) -> int:
    """Return how many seeds there are at a look, counted from 0."""
    return first if look == 0 else math.ceil(GROWTH * seeds_at(look - 1, first))


def until_decided(session: Session) -> Iterator[str]:
    """Run more seeds of the pairs that were judged, where verdicts are undecided; say in a line what each look gave.

    Decided are the score and the cost of training: its energy, or its time where no energy was measured. Baselines get the
    seeds that any technique of their workload gets.

    Raises
    ------
    UserError
        What a case raises that is refused, such as one beyond the budget.
    """
    pairs = {
        (pair[0].technique, pair[0].workload): pair for pair in session.judged if pair[0].kind == "training"
    }
    first = session.settings.seeds
    for look in range(LOOKS):
        left = _open(session, list(pairs.values()))
        names = ", ".join(f"{pair[0].id}" for pair in left)
        seeds = seeds_at(look, first)
        if not left:
            yield f"look {look + 1} of {LOOKS}, {seeds} seeds at most: no verdict is left that more seeds would decide"
            return
        if look == LOOKS - 1:
            yield f"look {LOOKS} of {LOOKS}, {seeds} seeds: undecided to the end: {names}"
            return
        following = seeds_at(look + 1, first)
        yield f"look {look + 1} of {LOOKS}, {seeds} seeds: undecided, and run to {following} seeds: {names}"
        baselines = {pair[0].workload: session.reference(pair) for pair in left}
        growing = [*baselines.values(), *left]
        for seed in range(following):  # those that are there are not run again
            for pair in shuffled(growing, seed):
                session.records((replace(pair[0], seed=seed),))
        for pair in left:
            pairs[pair[0].technique, pair[0].workload] = _with_seeds(pair, following)


def _open(session: Session, pairs: Sequence[Pair]) -> list[Pair]:
    """Return the pairs with a verdict that is undecided, and that more seeds would decide."""
    records = [record for pair in pairs for record in session.records(pair)]
    records += [
        record
        for pair in {pair[0].workload: pair for pair in sorted(pairs, key=len)}.values()
        for record in session.records(session.reference(pair))
    ]
    found = verdicts(list({record.file_name: record for record in records}.values()))
    measured = {(one.technique, one.workload) for one in found if one.quantity == TRAIN_ENERGY.name}

    def matters(one: Verdict) -> bool:
        cost = TRAIN_ENERGY if (one.technique, one.workload) in measured else TRAIN_TIME
        return one.quantity in (SCORE.name, cost.name)

    undecided = {
        (one.technique, one.workload)
        for one in found
        if one.word == "undecided" and one.more_runs is not None and matters(one)
    }
    return [pair for pair in pairs if (pair[0].technique, pair[0].workload) in undecided]


def _with_seeds(pair: Pair, seeds: int) -> Pair:
    return tuple(replace(pair[0], seed=seed) for seed in range(seeds))
