"""Stacks of techniques: whether together they do more, or less, than each of them alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenbench.records.record import Record, by_technique
from greenbench.spec.case import IMPORTED
from greenbench.spec.technique import BASELINE
from greenbench.verdict.quantities import SCORE, Quantity
from greenbench.verdict.statistics import Estimate, estimate
from greenbench.verdict.to_target import cost_of


@dataclass(frozen=True)
class Interaction:
    """The effect of a stack beside the effects of its parts, in one quantity.

    Scores are differences from the baseline, costs logarithms of ratios to it. All three estimates are over the seeds that
    the baseline, the stack and each part have in common.

    Attributes
    ----------
    together
        The stack against the baseline.
    added
        The sum of its parts, each against the baseline.
    interaction
        The first less the second: above 0, the stack scores, or costs, more than its parts lead to expect.
    """

    together: Estimate
    added: Estimate
    interaction: Estimate


@dataclass(frozen=True)
class Stack:
    """A stack on one workload.

    Attributes
    ----------
    technique
        Its name, ``a+b``.
    cost
        By which it is compared; see `greenbench.verdict.to_target.cost_of`.
    of_score, of_cost
        None where `reason` says why, or where a run has no such value.
    reason
        Why it cannot be told.
    """

    technique: str
    cost: Quantity
    of_score: Interaction | None = None
    of_cost: Interaction | None = None
    reason: str = ""


def stacks(records: Sequence[Record]) -> list[Stack]:
    """Return the interaction of each stack whose parts and baseline are there.

    Parameters
    ----------
    records
        Trainings, or imported runs, that may be compared; of others there is nothing to say. Each case counts once.
    """
    if not records or records[0].case.kind not in ("training", IMPORTED):
        return []
    runs = by_technique(records)
    cost = cost_of(records)
    return [
        _stack(name, runs, cost)
        for name in runs
        if "+" in name and runs.keys() >= {BASELINE, *name.split("+")}
    ]


def _stack(name: str, runs: Mapping[str, Sequence[Record]], cost: Quantity) -> Stack:
    parts = name.split("+")
    of_parts = "+".join(runs[part][0].case.technique_digest for part in parts)
    if runs[name][0].case.technique_digest != of_parts:
        return Stack(name, cost, reason="its parts were measured in other versions")
    of_score = _interaction(name, parts, {one: SCORE.by_seed(found) for one, found in runs.items()})
    of_cost = _interaction(
        name,
        parts,
        {
            one: {seed: math.log(value) for seed, value in cost.by_seed(found).items() if value > 0}
            for one, found in runs.items()
        },
    )
    return Stack(name, cost, of_score, of_cost, "" if of_score or of_cost else "no seed in common")


def _interaction(
    name: str, parts: Sequence[str], values: Mapping[str, Mapping[int, float]]
) -> Interaction | None:
    seeds = sorted(set(values[BASELINE]).intersection(values[name], *(values[part] for part in parts)))
    if not seeds:
        return None
    together = [values[name][seed] - values[BASELINE][seed] for seed in seeds]
    added = [sum(values[part][seed] - values[BASELINE][seed] for part in parts) for seed in seeds]
    both = zip(together, added, strict=True)
    return Interaction(estimate(together), estimate(added), estimate([one - other for one, other in both]))
