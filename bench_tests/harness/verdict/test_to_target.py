"""What it costs to first reach a score: counted by hand, and held against other implementations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench_tests.harness.made_records import (
    failure_result,
    followed,
    inference_result,
    reading_of,
    record_of,
)
from greenbench.records.results import Imported, Point
from greenbench.spec.workload import Metric
from greenbench.verdict.quantities import TRAIN_ENERGY, TRAIN_TIME
from greenbench.verdict.to_target import cost_of, course, log_rank, reach, to_targets

LOSS = Metric("loss", "Loss", unit="", better="lower")


def by_technique(found):
    return {one.technique: one for one in found}


def test_a_course_adds_up_what_the_epochs_cost():
    points = course(followed("baseline", [0.1, None, 0.3], seconds=2.0, power_w=5.0))
    assert [(p.epoch, p.steps, p.seconds, p.energy_j, p.score) for p in points] == [
        (1, 10, 2.0, 10.0, 0.1),
        (2, 20, 4.0, 20.0, None),
        (3, 30, 6.0, 30.0, 0.3),
    ]


def test_a_teacher_comes_first():
    record = followed(
        "taught", [0.1, 0.3], power_w=5.0, teacher=reading_of(7.0, 3.0), energy=reading_of(17.0, 5.0)
    )
    assert [(p.steps, p.seconds, p.energy_j) for p in course(record)] == [(10, 4.0, 12.0), (20, 5.0, 17.0)]


def test_the_energy_of_a_run_that_was_measured_in_part_is_spread_by_time():
    record = followed("baseline", [0.1, 0.3, 0.4], seconds=2.0, energy=reading_of(60.0, 6.0))
    assert [p.energy_j for p in course(record)] == [20.0, 40.0, 60.0]


def test_the_first_evaluated_epoch_at_the_target_counts():
    record = followed("baseline", [0.1, None, 0.3, 0.25], seconds=2.0, power_w=5.0)
    assert reach(record, 0.3, TRAIN_TIME) == reach(record, 0.2, TRAIN_TIME)
    assert (reach(record, 0.3, TRAIN_TIME).steps, reach(record, 0.3, TRAIN_TIME).cost) == (30, 6.0)
    assert reach(record, 0.3, TRAIN_ENERGY).cost == 30.0
    never = reach(record, 0.31, TRAIN_ENERGY)
    assert (never.reached, never.steps, never.cost) == (False, 40, 40.0)


def test_inferences_have_no_way_to_a_target():
    trained = [followed("baseline", [0.1, 0.3], seed=seed) for seed in (0, 1)]
    others = [record_of(result=inference_result(1.0)), record_of(result=failure_result(), kind="training")]
    assert to_targets([*others, *trained]) == to_targets(trained)


def test_a_run_that_was_scored_once_has_no_way_to_a_target():
    def imported(*scores):
        curve = tuple(Point(epoch, score, None, 1.0, float(epoch)) for epoch, score in enumerate(scores, 1))
        return record_of(kind="imported", result=Imported(3, scores[-1], None, 2.0, 2.0, curve=curve))

    assert to_targets([imported(None, 0.5)]) == []
    assert to_targets([imported(0.4, 0.5)]) != []


def test_lower_may_be_better():
    record = followed("baseline", [3.0, 2.0, 1.0], metric=LOSS)
    assert reach(record, 2.5, TRAIN_TIME).steps == 20
    assert not reach(record, 0.5, TRAIN_TIME).reached


def test_cost_is_energy_where_every_run_has_it():
    with_meter, without = followed("baseline", [0.5], power_w=5.0), followed("mixup", [0.5])
    assert cost_of([with_meter]) is TRAIN_ENERGY
    assert cost_of([with_meter, without]) is TRAIN_TIME


def test_the_baselines_own_mean_comes_first_and_stated_targets_after_it():
    records = [followed("baseline", [0.2, 0.4], targets=(0.3, 0.9)), followed("baseline", [0.2, 0.6], seed=1)]
    found = to_targets(records)
    assert [(one.target, one.stated, one.reached) for one in found] == [
        (0.5, False, 1),
        (0.3, True, 2),
        (0.9, True, 0),
    ]
    assert all(one.p is None and one.word == "undecided" for one in found)
    assert [one.cost for one in found] == [None, 2.0, None]


def test_a_mean_of_equal_scores_is_reached():
    records = [followed("baseline", [0.1, 0.9], seed=seed) for seed in range(3)]
    assert to_targets(records)[0].reached == 3


def test_without_a_baseline_or_a_curve_there_is_nothing_to_say():
    assert to_targets([followed("mixup", [0.1, 0.2])]) == []
    assert to_targets([followed("baseline", [0.2]), followed("mixup", [0.2])]) == []
    assert to_targets([followed("baseline", [None, 0.2]), followed("mixup", [None, 0.2])]) == []
    assert to_targets([]) == []


def test_pairs_of_one_seed_are_compared_where_all_reach_it():
    ours, theirs = [1.0, 1.1, 0.9, 1.05], [2.0, 2.1, 2.05, 1.9]
    records = [followed("baseline", [0.2, 0.5], seconds=s, seed=k) for k, s in enumerate(theirs)]
    records += [followed("quick", [0.2, 0.5], seconds=s, seed=k) for k, s in enumerate(ours)]
    quick = by_technique(to_targets(records))["quick"]
    logs = np.log(ours) - np.log(theirs)
    expected = stats.ttest_1samp(logs, 0.0)
    interval = np.exp(expected.confidence_interval(0.95))
    assert (quick.word, quick.n, quick.reached, quick.restricted) == ("better", 4, 4, False)
    assert quick.p == pytest.approx(expected.pvalue)
    assert (quick.low, quick.high) == pytest.approx(tuple(interval))
    assert quick.ratio == pytest.approx(math.exp(logs.mean()))


def test_a_technique_that_never_gets_there_is_worse():
    records = [followed("baseline", [0.2, 0.5], seed=seed, targets=(0.4,)) for seed in range(6)]
    records += [followed("slow", [0.2, 0.3], seed=seed) for seed in range(6)]
    slow = next(one for one in to_targets(records) if one.stated and one.technique == "slow")
    assert (slow.word, slow.reached, slow.cost, slow.restricted, slow.low) == ("worse", 0, None, True, None)
    assert slow.p == pytest.approx(2 / math.comb(12, 6))


def test_a_technique_that_gets_there_first_is_better_though_some_baseline_never_does():
    records = [followed("baseline", [0.2, 0.4, 0.5], seed=seed, targets=(0.45,)) for seed in range(4)]
    records += [followed("baseline", [0.2, 0.4, 0.4], seed=4)]
    records += [followed("quick", [0.5, 0.4, 0.4], seed=seed) for seed in range(5)]
    quick = next(one for one in to_targets(records) if one.stated and one.technique == "quick")
    assert (quick.word, quick.reached, quick.restricted) == ("better", 5, True)
    assert quick.ratio == pytest.approx(1 / 3)


def test_a_recipe_that_stops_early_is_not_let_off():
    """Censored at its own end it would be undecided: it was never at risk when the others got there."""
    records = [followed("baseline", [0.1, 0.2, 0.3, 0.5], seed=seed) for seed in range(6)]
    records += [followed("short", [0.4], seed=seed) for seed in range(6)]
    assert by_technique(to_targets(records))["short"].word == "worse"


@pytest.mark.parametrize(
    ("baseline", "technique", "reason"),
    [
        ([[0.2, 0.5]], [[0.2, 0.3]], "one run, no verdict"),
        ([[0.2, 0.5]], [[0.5, 0.5]], "one run, no verdict"),
        ([[0.2, 0.5]] * 3, [[0.2, 0.3]] * 3, "too few runs"),
        (
            [[0.2, 0.5], [0.2, 0.4]] * 4,
            [[0.2, 0.4], [0.2, 0.5]] * 4,
            "the runs scatter more than they differ",
        ),
    ],
)
def test_what_cannot_be_decided_says_why(baseline, technique, reason):
    records = [followed("baseline", scores, seed=seed) for seed, scores in enumerate(baseline)]
    records += [followed("other", scores, seed=seed) for seed, scores in enumerate(technique)]
    other = by_technique(to_targets(records))["other"]
    assert (other.word, other.reason) == ("undecided", reason)


def test_where_nobody_gets_there_nothing_is_said():
    records = [followed("baseline", [0.2, 0.5], seed=seed, targets=(0.9,)) for seed in range(4)]
    records += [followed("other", [0.2, 0.5], seed=seed) for seed in range(4)]
    (other,) = (one for one in to_targets(records) if one.stated and one.technique == "other")
    assert (other.word, other.reason, other.ratio, other.p) == ("undecided", "no run reached it", None, None)


def test_more_techniques_make_it_harder_to_be_better():
    def records(names):
        costs = {"baseline": (2.0, 2.1, 2.0), "quick": (1.8, 1.9, 1.9)}
        return [
            followed(name, [0.2, 0.5], seconds=costs.get(name, (2.0, 2.1, 1.95))[seed], seed=seed)
            for name in names
            for seed in range(3)
        ]

    alone = by_technique(to_targets(records(["baseline", "quick"])))["quick"]
    many = by_technique(to_targets(records(["baseline", "quick", "b", "c", "d", "e"])))["quick"]
    assert many.p == pytest.approx(5 * alone.p)


SIDE = st.lists(st.tuples(st.integers(1, 6).map(float), st.booleans()), min_size=2, max_size=5)


@given(SIDE, SIDE)
def test_the_log_rank_statistic_is_scipys(ours, theirs):
    earlier, p = log_rank(ours, theirs)
    times = sorted({cost for cost, there in (*ours, *theirs) if there})
    expected = 0.0
    for time in times:
        at_risk = [sum(cost >= time for cost, _ in side) for side in (ours, theirs)]
        events = sum(cost == time and there for cost, there in (*ours, *theirs))
        expected += sum(cost == time and there for cost, there in ours) - events * at_risk[0] / sum(at_risk)
    assert earlier == pytest.approx(expected, abs=1e-9)
    assert 0 < p <= 1
    assert log_rank(theirs, ours) == pytest.approx((-earlier, p), abs=1e-9)


def test_many_runs_are_compared_by_scipys_log_rank_test():
    rng = np.random.default_rng(1)
    sides = [
        [
            (float(cost), bool(there))
            for cost, there in zip(rng.exponential(scale, 12), rng.random(12) < 0.8, strict=True)
        ]
        for scale in (1.0, 2.0)
    ]
    censored = [
        stats.CensoredData.right_censored([c for c, _ in side], [not there for _, there in side])
        for side in sides
    ]
    assert log_rank(*sides)[1] == pytest.approx(stats.logrank(*censored).pvalue)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [4, 8])
def test_a_technique_that_changes_nothing_is_seldom_called_better_or_worse(seeds):
    """Against the baseline's own mean: 400 studies of a no-op; of 5 % wrong words at most 8 % pass for chance."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        records = []
        for name in ("baseline", "same"):
            for seed in range(seeds):
                scores = 1 - np.exp(-0.3 * np.arange(1, 9)) + rng.normal(0, 0.01, 8)
                records.append(followed(name, list(scores), seed=seed, seconds=float(rng.normal(1, 0.02))))
        wrong += by_technique(to_targets(records))["same"].word != "undecided"
    assert wrong / 400 <= 0.08
