"""What the gate says of records made by hand."""

import math
import random
from dataclasses import replace

import pytest

from bench_tests.harness.made_records import (
    MACHINE,
    NOT_MEASURED,
    diverged_result,
    failure_result,
    inference_result,
    record_of,
    training_result,
)
from greenbench.energy import Uncertainty
from greenbench.records.results import Cost, Skipped
from greenbench.spec.workload import ACCURACY
from greenbench.verdict.change import count_words, runs_of
from greenbench.verdict.gate import compare
from greenbench.verdict.limits import read_limits
from greenbench.verdict.quantities import QUANTITIES

LIMITS = read_limits("energy:5% latency:5% params:0% score:1pp", {"accuracy": ACCURACY})
NOISE = [0.99, 1.0, 1.01, 1.005, 0.995, 1.0]


def trainings(joules=100.0, score=0.9, technique="baseline", n=6, session="old", noise=NOISE, **facts):
    """Return runs whose joules scatter by 0.7 %."""
    return [
        record_of(
            technique, training_result(score, joules * noise[seed]), seed=seed, session=session, **facts
        )
        for seed in range(n)
    ]


def only(before, after, quantity="train_energy_j", limits=LIMITS):
    (found,) = (row for row in compare(before, after, limits) if row.quantity == quantity)
    return found


@pytest.mark.parametrize(
    ("factor", "word"),
    [(1.0, "holds"), (1.01, "holds"), (1.05, "worse"), (1.1, "worse"), (0.99, "holds"), (0.9, "better")],
)
def test_joules_are_judged_by_their_ratio(factor, word):
    found = only(trainings(), trainings(100 * factor, session="new"))
    assert found.word == word
    assert found.change == pytest.approx(factor - 1)
    assert found.low < found.change < found.high
    assert (found.n_before, found.n_after, found.limit) == (6, 6, pytest.approx(0.05))
    assert (found.p < 0.01) == (factor >= 1.05)
    assert found.reason == ""


@pytest.mark.parametrize(("factor", "word"), [(1.4, "holds"), (1.6, "worse"), (0.6, "better")])
def test_a_large_limit_of_a_cost_is_a_share_of_it_too(factor, word):
    """The logarithm of 1.6 is less than that of 2, by which a cost grows whose inverse falls by half."""
    found = only(trainings(), trainings(100 * factor, session="new"), limits=read_limits("energy:50%", {}))
    assert found.word == word


@pytest.mark.parametrize(("factor", "word"), [(0.6, "holds"), (0.4, "worse"), (1.5, "better")])
def test_what_is_better_when_higher_may_fall_by_its_limit(factor, word):
    def costs(images_per_s, session):
        return [
            record_of(
                kind="cost",
                seed=seed,
                session=session,
                result=Cost(
                    steps=10,
                    measured_steps=5,
                    target=0.01,
                    known=True,
                    images_per_s=images_per_s * NOISE[seed],
                    train_seconds=9.0,
                    train_half_width_s=0.1,
                    energy=NOT_MEASURED,
                    evaluation=NOT_MEASURED,
                    setup=NOT_MEASURED,
                ),
            )
            for seed in range(6)
        ]

    limits = read_limits("images_per_s:50%", {})
    found = only(costs(100, "old"), costs(100 * factor, "new"), "images_per_s", limits)
    assert found.word == word


def test_scores_of_other_seeds_are_no_pairs_and_it_says_so():
    after = [replace(r, case=replace(r.case, seed=r.case.seed + 9)) for r in trainings(n=2, session="new")]
    found = only(trainings(n=2), after, "score")
    assert (found.word, found.reason, found.more_runs) == (
        "undecided",
        "no two seeds were run on both sides",
        1,
    )


def test_a_certain_change_below_the_limit_holds():
    """By 2 %, and a loss of 5 % is excluded."""
    found = only(trainings(), trainings(102, session="new"), limits=read_limits("energy:9%", {}))
    assert found.word == "holds"


@pytest.mark.parametrize(("joules", "word"), [(109, "worse"), (104, "worse"), (99, "holds")])
def test_what_scatters_too_much_is_undecided_and_says_how_many_runs_would_tell(joules, word):
    wide = [0.94, 1.06, 1.0]

    def after(rounds):
        n, noise = 3 * rounds, wide * rounds
        return only(trainings(n=n, noise=noise), trainings(joules, n=n, noise=noise, session="new"))

    found = after(1)
    assert (found.word, found.reason) == ("undecided", "the runs scatter too much to tell")
    assert found.more_runs is not None
    enough = math.ceil((3 + found.more_runs) / 3) + 1
    assert after(enough).word == word
    assert after(enough // 2).word == "undecided"


def test_where_sessions_lie_apart_more_runs_do_not_help():
    rng = random.Random(0)

    def side(names):
        made = []
        for shift, name in zip((0.1, -0.1), names, strict=True):
            noise = [math.exp(shift + rng.gauss(0, 0.001)) for _ in range(3)]
            made += trainings(n=3, noise=noise, session=name)
        return made

    found = only(side(["a", "b"]), side(["c", "d"]))
    assert (found.word, found.more_runs) == ("undecided", None)
    assert "more sessions" in found.reason


def test_one_run_has_no_verdict():
    for before, after in ((1, 1), (1, 5), (5, 1)):
        found = only(trainings(n=before), trainings(150, n=after, session="new"))
        assert (found.word, found.reason, found.p, found.more_runs) == (
            "undecided",
            "one run, no verdict",
            None,
            1,
        )


def test_one_run_with_repeats_has_one():
    def inference(latency_ms, session):
        result = inference_result(latency_ms)
        medians = tuple(latency_ms * factor for factor in (0.999, 1.0, 1.001))
        single = replace(result.single, repeat_medians_ms=medians)
        return [record_of(result=replace(result, single=single), session=session)]

    assert only(inference(1.0, "old"), inference(1.0, "new"), "latency_ms").word == "holds"
    assert only(inference(1.0, "old"), inference(1.2, "new"), "latency_ms").word == "worse"


def test_one_run_scatters_as_its_repeats_or_its_reading_say():
    single = replace(inference_result(1.0).single, repeat_medians_ms=(1.0, 2.0, 4.0))
    (run,) = runs_of(
        QUANTITIES["latency_ms"], [record_of(result=replace(inference_result(1.0), single=single))]
    )
    assert run.own.variance == pytest.approx(math.log(2) ** 2 / 3)
    assert run.own.df == 2
    result = training_result(0.9, 100.0)
    energy = replace(result.energy, uncertainty=Uncertainty(gain_j=50.0, noise_j=3.0))
    (run,) = runs_of(QUANTITIES["train_energy_j"], [record_of(result=replace(result, energy=energy))])
    assert math.sqrt(run.own.variance) == pytest.approx(0.03), "without the gain, which both sides share"
    assert runs_of(QUANTITIES["train_energy_j"], [record_of(result=result)])[0].own is None


def test_runs_that_were_disturbed_are_left_out_where_others_are_there():
    disturbed = trainings(200, n=2, session="new2", disturbed="process 7")
    found = only(trainings(), [*trainings(session="new"), *disturbed])
    assert (found.word, found.n_after) == ("holds", 6)


def test_counts_are_judged_by_one_run_and_to_the_last():
    before = [record_of(result=inference_result(1.0, 1000), session="old")]
    for params, word in ((1000, "holds"), (1001, "worse"), (999, "better")):
        found = only(before, [record_of(result=inference_result(1.0, params), session="new")], "params")
        assert found.word == word
    several = [record_of(result=inference_result(1.0, 1000), session="new", seed=seed) for seed in range(7)]
    assert only(before, several, "params").word == "holds"


@pytest.mark.parametrize(("better", "word"), [("higher", "worse"), ("lower", "better")])
def test_the_direction_is_the_metric_s(better, word):
    metric = replace(ACCURACY, better=better, per_image=False)
    before = trainings(metric=metric) + trainings(score=0.91, metric=metric, technique="own")
    after = trainings(score=0.8, metric=metric, session="new") + trainings(
        score=0.81, metric=metric, technique="own", session="new"
    )
    # Differences that are all equal are known to the resolution of 5 validation images alone.
    big = [replace(r, workload=replace(r.workload, validation_images=10_000)) for r in before]
    small = [replace(r, workload=replace(r.workload, validation_images=10_000)) for r in after]
    assert {row.word for row in compare(big, small, LIMITS) if row.quantity == "score"} == {word}


def test_scores_of_unchanged_code_hold():
    found = only(trainings(), trainings(session="new"), "score")
    assert (found.word, found.change, found.p, found.unit) == ("holds", 0.0, 1.0, "%")


def test_scores_are_those_of_the_seeds_that_both_have():
    def side(scores, session):
        return [
            record_of(result=training_result(score), seed=seed, session=session)
            for seed, score in enumerate(scores)
        ]

    found = only(side([0.5, 0.6, 0.9], "old"), side([0.5, 0.6], "new"), "score")
    assert (found.n_before, found.n_after, found.change) == (2, 2, 0.0)
    assert found.before == found.after == pytest.approx(0.55)


def test_a_pair_without_a_baseline_is_new():
    rows = compare(trainings(), trainings(technique="own", session="new"), LIMITS)
    assert {row.word for row in rows} == {"new"}
    assert {row.quantity for row in rows} == {"score", "train_energy_j"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"machine": replace(MACHINE, gpu="H200")}, "machine.gpu"),
        ({"mode": "fast"}, "mode"),
        ({"scale": "short"}, "scale"),
        ({"setting": {"epochs": 5, "network": {"width": 0.25}}}, "setting.epochs"),
        ({"meter": "other"}, "meter"),
        ({"version": "v2"}, "data.version"),
        ({"disturbed": "process 7"}, "undisturbed"),
    ],
)
def test_unlike_conditions_are_named(changes, name):
    rows = compare(trainings(), trainings(200, session="new", **changes), LIMITS)
    timed = [row for row in rows if row.quantity == "train_energy_j"]
    assert [row.word for row in timed] == ["not comparable"]
    assert timed[0].reason.startswith(f"{name} was ")
    words = {row.word for row in rows if row.quantity == "score"}
    assert words == ({"holds"} if name == "undisturbed" else {"not comparable"})


def test_the_code_may_differ_and_is_named():
    code = {
        "engine": "f" * 64,
        "workload_digest": "v" * 64,
        "technique_digest": "1" * 64,
        "machine": replace(MACHINE, greenbench="0.2"),
    }
    found = only(trainings(), trainings(session="new", **code))
    assert found.word == "holds"
    assert set(found.code) == {"engine", "workload_digest", "technique_digest", "machine.greenbench"}


def test_of_several_machines_each_is_held_against_itself():
    other = replace(MACHINE, cpu="Other CPU")
    before = trainings() + trainings(300, machine=other)
    after = trainings(session="new") + trainings(400, machine=other, session="new2")
    words = {
        row.machine: row.word for row in compare(before, after, LIMITS) if row.quantity == "train_energy_j"
    }
    assert words == {"Test CPU": "holds", "Other CPU": "worse"}


def test_of_several_versions_of_the_code_the_newest_counts():
    old = trainings(50, engine="0" * 64, session="older", started_at="2025-01-01T00:00:00+00:00")
    for before in (old + trainings(), trainings() + old):
        assert only(before, trainings(session="new")).word == "holds"


def test_several_sessions_of_one_version_are_more_runs():
    before = trainings() + trainings(session="old2")
    assert only(before, trainings(session="new")).n_before == 12


def test_a_run_that_lost_its_result_fails():
    lost = record_of(result=failure_result(), kind="training", seed=2, session="new", meter="none")
    found = only(trainings(), [*trainings(n=2, session="new"), lost], "status")
    assert found.word == "failed"
    assert "ZeroDivisionError" in found.reason
    diverged = record_of(result=diverged_result(), seed=2, session="new")
    assert only(trainings(), [*trainings(n=2, session="new"), diverged], "status").word == "failed"


def test_a_run_that_had_no_result_before_either_fails_nothing():
    failed = {"result": failure_result(), "kind": "training"}
    assert compare([record_of(**failed)], [record_of(**failed, session="new")], LIMITS) == []
    skipped = record_of(result=Skipped("no ReLU"), kind="training")
    assert compare([skipped], [replace(skipped, session="new")], LIMITS) == []


def test_what_is_not_measured_any_more_says_why():
    unmeasured = [record_of(result=training_result(0.9), seed=seed, session="new") for seed in range(3)]
    found = only(trainings(), unmeasured)
    assert (found.word, found.reason) == ("not measured", "now: no meter on this machine (test)")


def test_a_value_that_is_no_number_is_not_compared():
    broken = [record_of(result=training_result(0.9, math.nan), seed=seed, session="new") for seed in range(3)]
    found = only(trainings(), broken)
    assert (found.word, found.reason) == ("not measured", "now: no value that can be compared")


def test_chances_are_those_of_all_rows_together():
    one = only(trainings(), trainings(101.5, session="new"))
    techniques = [str(k) for k in range(20)]
    before = [record for name in techniques for record in trainings(technique=name)]
    after = [record for name in techniques for record in trainings(101.5, technique=name, session="new")]
    rows = [row for row in compare(before, after, LIMITS) if row.quantity == "train_energy_j"]
    assert len(rows) == 20
    assert max(row.p for row in rows) > one.p


def test_rows_are_counted_by_their_words():
    rows = compare(trainings(), trainings(120, session="new"), LIMITS)
    assert count_words(rows) == {"worse": 1, "holds": 1}


def test_a_thousand_cases_take_seconds():
    before = [r for k in range(300) for r in trainings(technique=f"t{k}", n=3)]
    after = [r for k in range(300) for r in trainings(technique=f"t{k}", n=3, session="new")]
    assert len(compare(before, after, LIMITS)) == 600
