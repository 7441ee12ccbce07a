"""The matrix: which techniques run on which workloads, and with which seeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from random import Random

from greenbench.spec.case import Case, Kind, case_of
from greenbench.spec.composition import Undone
from greenbench.spec.mode import PAPER
from greenbench.spec.scale import Scale
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload

Pair = tuple[Case, ...]
"""A technique on a workload: one case for each seed."""

ANY_CLASSES, ANY_SIZE = 10, (64, 64)
"""Stand for those of a workload whose data have not been read."""

Round = tuple[Pair, int | None]
"""A pair, and which of its seeds runs; None for the last one, with which the whole pair is judged."""

AT_INFERENCE = {"network", "finish"}
"""The fields of a recipe that decide what a network costs at inference."""


def plan(
    kind: Kind,
    techniques: Iterable[Technique],
    workloads: Iterable[Workload],
    scale: Scale,
    seeds: int,
    changes: Callable[[Technique, Workload], Collection[str]],
    mode: str = PAPER.name,
) -> list[Pair]:
    """Return the pairs of one kind, workload by workload.

    Training and its cost have every technique that applies to the workload's task. Inference has those that change the network; for
    the others it would measure the baseline again. `changes` returns the fields of the recipe that a technique changes.
    """

    def belongs(technique: Technique, workload: Workload) -> bool:
        if kind != "inference" or technique.is_baseline:
            return True
        return not AT_INFERENCE.isdisjoint(changes(technique, workload))

    chosen = list(techniques)
    return [
        tuple(case_of(kind, technique, workload, scale, seed, mode) for seed in range(seeds))
        for workload in workloads
        if scale.name in workload.settings
        for technique in chosen
        if technique.applies_to(workload.task) and belongs(technique, workload)
    ]


def rounds(pairs: Sequence[Pair]) -> list[Round]:
    """Return the order in which some pairs run: one seed of each in turn, so that a machine that drifts takes all along.

    In a round the pairs of one workload follow each other, in an order drawn for this round: always the same, because the
    processes of pytest-xdist must agree on it. Pairs of one seed keep their order.
    """
    found: list[Round] = []
    seeds = max((len(pair) for pair in pairs), default=1)
    for number in range(seeds):
        for members in _by_workload(pairs):
            if seeds > 1:
                members = shuffled(members, number)
            found += [(pair, number if number < seeds - 1 else None) for pair in members]
    return found


def _by_workload(pairs: Sequence[Pair]) -> list[list[Pair]]:
    return [list(members) for _, members in groupby(pairs, key=lambda pair: pair[0].workload)]


def shuffled(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """Return some pairs in the order in which they run with a seed."""
    order = list(pairs)
    Random(f"{order[0][0].workload} {seed}").shuffle(order)
    return order


def changed_fields(
    technique: Technique, workload: Workload, scale: Scale, root: Path | None
) -> tuple[str, ...]:
    """Return the fields of a workload's recipe that a technique changes; none where it fails, which its run will tell.

    Raises
    ------
    Undone
        For a composition in which one part would undo another.
    """
    try:
        baseline = workload.recipe(scale.name, root)
        if workload.facts is not None:  # what only the data tell does not matter here
            baseline = replace(
                baseline,
                num_classes=baseline.num_classes or ANY_CLASSES,
                image_size=baseline.image_size or ANY_SIZE,
            )
        return baseline.changed_fields(technique(baseline))
    except (KeyboardInterrupt, Undone):
        raise
    except BaseException:
        return ()
