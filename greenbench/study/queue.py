"""The order in which cases begin where several run at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from greenbench.spec.case import Case
from greenbench.spec.workload import Workload
from greenbench.study.plan import Pair, rounds
from greenbench.study.shards import work_of


def queue(
    pairs: Sequence[Pair], baseline_of: Callable[[Case], Case], workloads: Mapping[str, Workload]
) -> list[Case]:
    """Return the cases of some pairs and their baselines, each once.

    Those that take longest come first, so that at the end no GPU is left with much while the others have nothing. Those of
    one workload, which are compared, keep the order of `rounds`.
    """
    in_turn = [pair[-1 if seed is None else seed] for pair, seed in rounds(pairs)]
    needed = {case.key: case for asked in in_turn for case in (baseline_of(asked), asked)}
    return sorted(needed.values(), key=lambda case: -work_of(case, workloads[case.workload]))
