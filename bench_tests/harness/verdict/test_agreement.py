"""Whether a replay agrees with what was published."""

import math
from dataclasses import replace

import pytest
from scipy import stats

from bench_tests.harness.made_records import MACHINE, inference_result, record_of, training_result
from greenbench.verdict.agreement import agreement

NOISE = [0.99, 1.0, 1.01, 1.005, 0.995, 1.0]
SCORES = [0.9, 0.902, 0.898, 0.901]


def runs(joules=100.0, scores=(0.9,) * 6, session="old", first=0, **facts):
    return [
        record_of(
            result=training_result(score, joules and joules * NOISE[k]),
            seed=first + k,
            session=session,
            **facts,
        )
        for k, score in enumerate(scores)
    ]


def only(published, again, quantity):
    (found,) = (row for row in agreement(published, again) if row.quantity == quantity)
    return found


@pytest.mark.parametrize(
    ("factor", "word"), [(1.0, "agrees"), (1.01, "agrees"), (1.2, "disagrees"), (0.8, "disagrees")]
)
def test_joules_agree_or_not(factor, word):
    found = only(runs(), runs(100 * factor, session="new"), "train_energy_j")
    assert found.word == word
    assert found.change == pytest.approx(factor - 1)
    assert found.limit == pytest.approx(0.05)
    assert (found.within > 0.95) == (word == "agrees")
    assert (found.p < 0.05) == (word == "disagrees")


def test_a_p_value_has_two_sides_and_counts_all_quantities():
    moved = [0.9, 0.93, 0.91, 0.94]
    rows = agreement(
        runs(joules=None, scores=[0.9, 0.91, 0.92, 0.9]), runs(joules=None, scores=moved, session="new")
    )
    tested = [row for row in rows if row.p is not None]
    alone = stats.ttest_rel(moved, [0.9, 0.91, 0.92, 0.9]).pvalue
    (found,) = (row.p for row in rows if row.quantity == "score")
    assert found == pytest.approx(min(1.0, len(tested) * alone))
    assert max(row.p for row in tested) <= 1


def test_the_same_score_agrees_even_of_one_run():
    found = only(runs(scores=[0.9]), runs(scores=[0.9], session="new"), "score")
    assert (found.word, found.p) == ("agrees", 1.0)
    found = only(runs(scores=[0.9]), runs(scores=[0.91], session="new"), "score")
    assert (found.word, found.reason) == ("undecided", "one run, no verdict")


def test_one_published_score_is_held_against_several():
    assert only(runs(scores=[0.9]), runs(scores=SCORES, session="new", first=1), "score").word == "agrees"
    assert only(runs(scores=[0.95]), runs(scores=SCORES, session="new", first=1), "score").word == "disagrees"


def test_what_scatters_too_much_is_undecided():
    found = only(runs(scores=[0.9]), runs(scores=[0.8, 0.9, 0.95, 0.85], session="new", first=1), "score")
    assert found.word == "undecided"
    assert "--runs" in found.reason
    assert found.within < 0.95


def test_counts_agree_to_the_last():
    published = [record_of(result=inference_result(1.0, 1000))]
    for params, word in ((1000, "agrees"), (1001, "disagrees")):
        found = only(published, [record_of(result=inference_result(1.0, params), session="new")], "params")
        assert (found.word, found.within) == (word, None)


def test_on_another_machine_scores_are_compared_and_costs_are_not():
    other = replace(MACHINE, gpu="H200")
    published, again = runs(scores=SCORES), runs(scores=SCORES, session="new", machine=other, engine="f" * 64)
    assert only(published, again, "score").word == "agrees"
    energy = only(published, again, "train_energy_j")
    assert (energy.word, energy.reason) == ("not comparable", "machine.gpu was None and is 'H200'")
    assert energy.code == ("engine",)


def test_few_replays_of_unchanged_work_disagree():
    import random

    wrong = 0
    for trial in range(100):
        rng = random.Random(trial)

        def side(session, rng=rng):
            drift = rng.gauss(0, 0.005)
            return [
                record_of(
                    result=training_result(
                        0.9 + rng.gauss(0, 0.01), 100 * math.exp(drift + rng.gauss(0, 0.01))
                    ),
                    seed=seed,
                    session=session,
                )
                for seed in range(4)
            ]

        wrong += any(row.word == "disagrees" for row in agreement(side("old"), side("new")))
    assert wrong <= 10
