"""Stacks: their interaction is what they have beyond the sum of their parts."""

from math import exp, log

import pytest
from scipy import stats

from bench_tests.harness.made_records import diverged_result, inference_result, record_of, training_result
from greenbench.verdict.quantities import TRAIN_ENERGY, TRAIN_TIME
from greenbench.verdict.stacks import stacks

DIGESTS = {"baseline": "0", "a": "A", "b": "B", "c": "C", "a+b": "A+B", "a+b+c": "A+B+C"}


def runs(technique, scores, costs=None, first_seed=0, **facts):
    costs = costs or [1.0] * len(scores)
    return [
        record_of(
            technique,
            training_result(score, energy_j=cost, seconds=cost),
            seed=seed,
            technique_digest=facts.get("digest", DIGESTS[technique]),
        )
        for seed, (score, cost) in enumerate(zip(scores, costs, strict=True), first_seed)
    ]


def test_an_interaction_is_the_difference_of_differences():
    scores = {
        "baseline": (0.50, 0.52, 0.51),
        "a": (0.60, 0.61, 0.63),
        "b": (0.55, 0.58, 0.54),
        "a+b": (0.70, 0.69, 0.71),
    }
    costs = {"baseline": (10, 11, 12), "a": (20, 21, 25), "b": (5, 6, 5), "a+b": (9, 8, 10)}
    (stack,) = stacks([record for name in scores for record in runs(name, scores[name], costs[name])])
    by_hand = [
        s - a - b + z for s, a, b, z in zip(*(scores[n] for n in ("a+b", "a", "b", "baseline")), strict=True)
    ]
    expected = stats.ttest_1samp(by_hand, 0).confidence_interval(0.95)
    found = stack.of_score.interaction
    assert (found.runs, found.mean) == (3, pytest.approx(sum(by_hand) / 3))
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx(tuple(expected))
    assert stack.of_score.together.mean == pytest.approx(0.19)
    assert stack.of_score.added.mean == pytest.approx(0.19 - found.mean)
    ratios = [
        log(s / z) - log(a / z) - log(b / z)
        for s, a, b, z in zip(*(costs[n] for n in ("a+b", "a", "b", "baseline")), strict=True)
    ]
    assert stack.cost is TRAIN_ENERGY
    assert stack.of_cost.interaction.mean == pytest.approx(sum(ratios) / 3)


def test_parts_that_do_nothing_to_each_other_have_none():
    records = runs("baseline", [0.5], [1.0]) + runs("a", [0.6], [2.0]) + runs("b", [0.4], [3.0])
    records += runs("c", [0.55], [1.5]) + runs("a+b+c", [0.55], [9.0])
    (stack,) = stacks(records)
    assert stack.technique == "a+b+c"
    assert stack.of_score.interaction.mean == pytest.approx(0)
    assert stack.of_score.interaction.half_width is None
    assert exp(stack.of_cost.interaction.mean) == pytest.approx(1)


def test_only_seeds_that_all_of_them_have_count():
    records = runs("baseline", [0.5, 0.5]) + runs("a", [0.6, 0.9]) + runs("b", [0.5], first_seed=1)
    (stack,) = stacks([*records, *runs("a+b", [0.6, 0.9])])
    assert stack.of_score.together.runs == 1
    assert stack.of_score.together.mean == pytest.approx(0.4)


def test_what_cannot_be_told_says_why():
    parts = runs("baseline", [0.5]) + runs("a", [0.6]) + runs("b", [0.5])
    (changed,) = stacks([*parts, *runs("a+b", [0.6], digest="A+OLD")])
    assert (changed.of_score, changed.reason) == (None, "its parts were measured in other versions")
    (apart,) = stacks([*parts, *runs("a+b", [0.6], first_seed=7)])
    assert (apart.of_score, apart.of_cost, apart.reason) == (None, None, "no seed in common")


def test_without_all_parts_there_is_nothing_to_say():
    assert stacks([]) == []
    assert stacks(runs("baseline", [0.5]) + runs("a", [0.6]) + runs("a+b", [0.6])) == []
    inference = [record_of(name, inference_result(1.0)) for name in ("baseline", "a", "b", "a+b")]
    assert stacks(inference) == []


def test_a_stack_that_diverged_has_its_cost_unknown_too():
    diverged = record_of("a+b", diverged_result(), technique_digest="A+B")
    records = runs("baseline", [0.5]) + runs("a", [0.6]) + runs("b", [0.5])
    (stack,) = stacks([*records, diverged])
    assert (stack.of_score, stack.of_cost, stack.cost) == (None, None, TRAIN_TIME)


def test_a_cost_that_is_not_known_leaves_the_score():
    records = runs("baseline", [0.5]) + runs("a", [0.6]) + runs("b", [0.5]) + runs("a+b", [0.7], [0.0])
    (stack,) = stacks(records)
    assert stack.of_score.together.mean == pytest.approx(0.2)
    assert (stack.of_cost, stack.reason) == (None, "")
