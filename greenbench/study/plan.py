"""The matrix: which techniques run on which workloads, and with which seeds."""

from __future__ import annotations

from collections.abc import Iterable

from greenbench.spec.case import Case, Kind, case_of
from greenbench.spec.scale import Scale
from greenbench.spec.technique import Technique
from greenbench.spec.workload import Workload

Pair = tuple[Case, ...]
"""A technique on a workload: one case for each seed."""


def plan(
    kind: Kind, techniques: Iterable[Technique], workloads: Iterable[Workload], scale: Scale, seeds: int
) -> list[Pair]:
    """Return the pairs of one kind, workload by workload.

    Training has every technique that applies to the workload's task. Inference has those that change the network; for
    the others it would measure the baseline again.

    Raises
    ------
    UserError
        If a technique fails on a recipe, or leaves one unchanged that it claims to change.
    """
    chosen = list(techniques)
    pairs = []
    for workload in workloads:
        if scale.name not in workload.settings:
            continue
        baseline = workload.recipe(scale.name)
        for technique in chosen:
            if not technique.applies_to(workload.task):
                continue
            changed = baseline.changed_fields(technique(baseline))
            if kind == "inference" and not technique.is_baseline and "network" not in changed:
                continue
            pairs.append(tuple(case_of(kind, technique, workload, scale, seed) for seed in range(seeds)))
    return pairs
