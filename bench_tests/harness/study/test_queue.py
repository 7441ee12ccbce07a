"""What begins first where several cases run at once: the study of the paper on many GPUs, on a clock that is not real."""

from dataclasses import replace
from heapq import heapify, heapreplace

import pytest

from greenbench.spec.scale import SCALES
from greenbench.spec.technique import BASELINE
from greenbench.study.catalog import discover
from greenbench.study.plan import plan
from greenbench.study.queue import queue
from greenbench.study.shards import work_of

CATALOG = discover()


def pairs_of(seeds):
    techniques = map(CATALOG.technique, CATALOG.default)
    return plan(
        "training", techniques, CATALOG.workloads.values(), SCALES["paper"], seeds, lambda *_: ("network",)
    )


def baseline_of(case):
    return replace(case, technique=BASELINE, technique_digest=CATALOG.baseline.source.digest)


def cases_of(seeds):
    return queue(pairs_of(seeds), baseline_of, CATALOG.workloads)


def work(case):
    return work_of(case, CATALOG.workloads[case.workload])


def makespan(cases, gpus):
    """Return when the last case ends, if each begins on the GPU that is free first, as Ray does it."""
    free_at = [0.0] * gpus
    heapify(free_at)
    for case in cases:
        heapreplace(free_at, free_at[0] + work(case))
    return max(free_at)


def least(cases, gpus):
    """Return a time that no order can beat: GPUs that are never idle, the longest case, two cases on one GPU."""
    longest = sorted(map(work, cases), reverse=True)
    two = longest[gpus - 1] + longest[gpus] if len(longest) > gpus else 0.0
    return max(sum(longest) / gpus, longest[0], two)


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("gpus", [1, 2, 4, 8, 16])
def test_the_study_of_the_paper_takes_hardly_longer_than_it_must(gpus, seeds):
    cases = cases_of(seeds)
    assert makespan(cases, gpus) <= 1.1 * least(cases, gpus)


def test_the_shortest_first_would_take_longer():
    cases = cases_of(1)
    assert makespan(cases[::-1], 16) > 1.1 * least(cases, 16)


def test_each_case_is_there_once_with_its_baseline():
    pairs = [pair for pair in pairs_of(2) if pair[0].technique != BASELINE]
    cases = queue(pairs, baseline_of, CATALOG.workloads)
    keys = [case.key for case in cases]
    assert len(set(keys)) == len(keys)
    wanted = {case.key for pair in pairs for one in pair for case in (one, baseline_of(one))}
    assert set(keys) == wanted


def test_what_is_compared_runs_in_rounds():
    seeds = [case.seed for case in cases_of(3) if case.workload == "cifar100"]
    assert seeds == sorted(seeds)
