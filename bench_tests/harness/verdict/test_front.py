"""The front of score against cost, with the probability that a technique is on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_tests.harness.made_records import diverged_result, record_of, training_result
from greenbench.spec.workload import Metric
from greenbench.verdict.front import front

GRID = st.integers(1, 5)


def runs(technique, scores, seconds, first_seed=0, **facts):
    return [
        record_of(technique, training_result(score, seconds=float(s)), seed=seed, **facts)
        for seed, (score, s) in enumerate(zip(scores, seconds, strict=True), first_seed)
    ]


@given(st.lists(st.tuples(GRID, GRID), min_size=2, max_size=6))
def test_it_is_what_no_other_one_beats(points):
    records = [record for k, (score, s) in enumerate(points) for record in runs(f"t{k}", [score / 10], [s])]
    found = front(records)
    for k, (score, s) in enumerate(points):
        beaten = any(a >= score and b <= s and (a, b) != (score, s) for a, b in points)
        assert found[f"t{k}"].is_on is not beaten
        assert found[f"t{k}"].probability is None


def test_the_probability_is_the_share_of_resampled_seeds():
    """Dearer, and better with one of its two seeds: not beaten unless the other one was drawn twice."""
    records = runs("baseline", [0.5, 0.5], [1, 1]) + runs("dear", [0.4, 0.9], [2, 2])
    found = front(records)
    assert found["baseline"] == found["baseline"].__class__(True, 1.0)
    assert found["dear"].is_on
    assert found["dear"].probability == pytest.approx(0.75, abs=0.04)


def test_what_the_runs_of_a_seed_share_stays_shared():
    """Always a point better at the same seed: on the front in every draw, though the seeds scatter by far more."""
    scores = [0.2, 0.5, 0.8, 0.4]
    records = runs("baseline", scores, [1] * 4) + runs("dear", [s + 0.01 for s in scores], [2] * 4)
    assert front(records)["dear"].probability == 1.0


def test_energy_counts_where_every_run_has_it():
    def record(technique, energy_j, seconds):
        return record_of(technique, training_result(0.5, energy_j=energy_j, seconds=seconds))

    found = front([record("baseline", 1.0, 9.0), record("quick", 2.0, 1.0)])
    assert (found["baseline"].is_on, found["quick"].is_on) == (True, False)


def test_lower_may_be_better():
    loss = Metric("accuracy", "Loss", unit="", better="lower")
    found = front(runs("baseline", [3.0], [1], metric=loss) + runs("worse", [4.0], [2], metric=loss))
    assert (found["baseline"].is_on, found["worse"].is_on) == (True, False)


def test_seeds_need_not_be_the_same():
    found = front(runs("baseline", [0.5, 0.5], [1, 1]) + runs("other", [0.6, 0.6], [1, 1], first_seed=5))
    assert (found["baseline"].is_on, found["other"].is_on) == (False, True)
    assert found["other"].probability == 1.0


def test_a_technique_with_few_seeds_stays_in_every_draw():
    records = runs("baseline", [0.5] * 4, [1] * 4) + runs("good", [0.6], [1])
    assert front(records)["baseline"].probability == 0.0


def test_a_run_that_diverged_takes_its_technique_out():
    diverged = record_of("mixup", diverged_result())
    assert front([*runs("baseline", [0.5], [1]), diverged]) == {}
    others = runs("baseline", [0.5], [1]) + runs("radam", [0.6], [1])
    assert set(front([*others, diverged])) == {"baseline", "radam"}
    assert front([]) == {}
