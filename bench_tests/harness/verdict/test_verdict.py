"""Better, same, worse or undecided, by numbers made by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bench_tests.harness.made_records import (
    MACHINE,
    diverged_result,
    failure_result,
    inference_result,
    record_of,
    training_result,
)
from greenbench.records.folder import RecordFolder
from greenbench.records.results import Skipped
from greenbench.spec.workload import Metric
from greenbench.verdict.margins import load_margins
from greenbench.verdict.verdict import ONE_RUN, judge, verdicts, write_verdicts

PERPLEXITY = Metric("accuracy", "Perplexity", unit="", better="lower")


def trainings(technique, scores, energies=(), **facts):
    energies = list(energies) or [None] * len(scores)
    return [
        record_of(technique, training_result(score, energy_j), seed=seed, **facts)
        for seed, (score, energy_j) in enumerate(zip(scores, energies, strict=True))
    ]


def inferences(technique, latencies_ms, params=1000):
    return [
        record_of(technique, inference_result(ms, params), seed=seed) for seed, ms in enumerate(latencies_ms)
    ]


def words(records):
    return {verdict.quantity: verdict.word for verdict in verdicts(records)}


def only(records, quantity):
    (found,) = (verdict for verdict in verdicts(records) if verdict.quantity == quantity)
    return found


def test_a_technique_with_nothing_to_do_has_no_verdict():
    skipped = [record_of("mixup", Skipped("no ReLU"), seed=2, kind="training")]
    assert verdicts(trainings("baseline", [0.5]) + skipped) == []


def test_one_run_decides_nothing_and_says_why():
    found = only(trainings("baseline", [0.5]) + trainings("mixup", [0.9]), "score")
    assert (found.word, found.reason, found.n, found.half_width) == ("undecided", ONE_RUN, 1, None)
    assert found.difference == pytest.approx(0.4)


def test_what_is_counted_is_decided_by_one_run():
    baseline = inferences("baseline", [1.0])
    for params, word in ((1000, "same"), (1001, "worse"), (999, "better")):
        found = only(baseline + inferences("own", [1.0], params), "params")
        assert (found.word, found.reason, found.half_width) == (word, "", None)
    found = only(inferences("baseline", [1.0, 1.0]) + inferences("own", [1.0, 1.0], 1001), "params")
    assert (found.word, found.n, found.half_width) == ("worse", 2, None)


BASE = [0.50, 0.52, 0.48]
SHIFTS = {
    # Student's t for 3 pairs is 4.303; a spread of 0.01 gives a half-width of 0.0248.
    "better": ((0.09, 0.10, 0.11), "better"),
    "worse": ((-0.09, -0.10, -0.11), "worse"),
    "same": ((0.001, 0.0, -0.001), "same"),
    "too much scatter": ((0.2, -0.1, 0.0), "undecided"),
    "small but certain": ((0.0149, 0.015, 0.0151), "better"),
    "within the margin, though certain": ((0.0049, 0.005, 0.0051), "same"),
    "none in the mean, with much scatter": ((0.05, -0.05, 0.0), "undecided"),
    "just not certain": ((0.01, 0.02, 0.03), "undecided"),
}


@pytest.mark.parametrize(("shifts", "word"), SHIFTS.values(), ids=SHIFTS)
def test_a_score_is_judged_by_its_interval(shifts, word):
    ours = [base + shift for base, shift in zip(BASE, shifts, strict=True)]
    found = only(trainings("baseline", BASE) + trainings("own", ours), "score")
    assert found.word == word
    assert found.n == 3
    assert found.difference == pytest.approx(sum(shifts) / 3)
    assert (found.reason != "") == (word == "undecided")
    assert (found.more_runs is None) == ("would decide" not in found.reason)
    assert found.more_runs is None or word == "undecided"


@pytest.mark.parametrize("gains", [(0.01, 0.02, 0.03), (0.001, 0.0005, -0.001), (-0.02, -0.05, -0.01)])
def test_the_numbers_beside_a_verdict_are_the_textbook_s(gains):
    ours = [base + gain for base, gain in zip(BASE, gains, strict=True)]
    records = trainings("baseline", BASE) + trainings("own", ours)
    found = only(records, "score")
    tested = [verdict for verdict in verdicts(records) if verdict.p is not None]
    mean = np.mean(gains)
    sd = math.sqrt(np.var(gains, ddof=1) + 2 / (12 * 5000**2))  # each score is one of 5000 images
    differs = 2 * stats.t.sf(abs(mean) / (sd / math.sqrt(3)), 2)
    assert found.p == pytest.approx(min(1.0, len(tested) * differs), rel=1e-4)
    outside = stats.t.sf((found.margin - abs(mean)) / (sd / math.sqrt(3)), 2)
    assert found.p_same == pytest.approx(min(1.0, 2 * outside)), "of two scores; times are equal"
    assert found.effect_size == pytest.approx(math.sqrt(2) * mean / sd)
    assert found.superiority == pytest.approx(stats.norm.cdf(mean / sd))

    def decided(n):
        error = sd / math.sqrt(n)
        return 2 * stats.t.sf(abs(mean) / error, n - 1) <= 0.05 / len(tested) or stats.t.sf(
            (found.margin - abs(mean)) / error, n - 1
        ) <= 0.05 / len(tested)

    enough = next(n for n in range(4, 1000) if decided(n))
    assert found.more_runs == (enough - 3 if found.word == "undecided" else None)


def test_the_interval_is_that_of_the_paired_difference():
    ours = [base + shift for base, shift in zip(BASE, (0.09, 0.10, 0.11), strict=True)]
    found = only(trainings("baseline", BASE) + trainings("own", ours), "score")
    assert found.half_width == pytest.approx(4.3027 * 0.01 / math.sqrt(3), rel=1e-4)


@pytest.mark.parametrize(("better", "word"), [("higher", "better"), ("lower", "worse")])
def test_the_direction_is_the_metric_s(better, word):
    metric = replace(PERPLEXITY, better=better)
    records = trainings("baseline", [1.0, 1.1], metric=metric) + trainings("own", [3.0, 3.11], metric=metric)
    assert only(records, "score").word == word
    assert only(records, "train_score").word == word


def test_costs_are_compared_by_their_ratio():
    """The differences are far apart, the ratios are not."""
    records = trainings("baseline", [0.5] * 3, [1.0, 10.0, 100.0]) + trainings(
        "own", [0.5] * 3, [0.5, 5.01, 49.9]
    )
    found = only(records, "train_energy_j")
    assert found.word == "better"
    assert found.difference == pytest.approx(math.log(0.5), abs=1e-3)
    assert (
        only(inferences("baseline", [1.0, 2.0]) + inferences("own", [3.0, 6.01]), "latency_ms").word
        == "worse"
    )


@pytest.mark.parametrize(
    ("factor", "word"), [(1.04, "same"), (1.06, "worse"), (0.97, "same"), (0.9, "better")]
)
def test_costs_within_five_percent_are_the_same(factor, word):
    assert (load_margins().cost_percent, load_margins().score_points) == (5, 1)
    records = inferences("baseline", [1.0, 2.0]) + inferences("own", [factor, 2 * factor])
    assert only(records, "latency_ms").word == word


def test_what_was_not_measured_has_no_verdict():
    records = trainings("baseline", [0.5, 0.6], [1.0, 1.0]) + trainings("own", [0.5, 0.6])
    assert "train_energy_j" not in words(records)
    assert words(records)["score"] == "same"


def test_a_technique_alone_and_a_baseline_alone_have_none():
    assert verdicts([]) == []
    assert verdicts(trainings("own", BASE)) == []
    assert verdicts(trainings("baseline", BASE)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"machine": replace(MACHINE, gpu="H200")},
        {"scale": "short"},
        {"disturbed": "process 7"},
        {"meter": "x"},
    ],
)
def test_unlike_conditions_are_never_compared(changes):
    assert verdicts(trainings("baseline", BASE) + trainings("own", BASE, **changes)) == []
    both = trainings("baseline", BASE, **changes) + trainings("own", BASE, **changes)
    assert len(verdicts(both + trainings("baseline", BASE))) == len(verdicts(both)) > 0


def test_failed_records_are_left_out():
    failed = [record_of("own", failure_result(), kind="training", seed=2)]
    records = trainings("baseline", BASE) + trainings("own", BASE[:2])
    assert verdicts(records + failed) == verdicts(records)
    assert verdicts(trainings("baseline", BASE) + failed) == []
    measured = inferences("baseline", [1.0, 2.0, 3.0]) + inferences("own", [1.0, 2.0])
    failed = [record_of("own", failure_result(stage="inference"), kind="inference", seed=2)]
    assert verdicts(measured + failed) == verdicts(measured) != []


def test_a_diverged_run_has_neither_score_nor_cost():
    assert words([*trainings("baseline", [0.5]), record_of("own", diverged_result())]) == {}


def test_a_run_that_diverged_leaves_no_verdict_to_the_others():
    records = trainings("baseline", [0.5, 0.5, 0.5]) + trainings("own", [0.9, 0.91])
    assert words(records)["score"] == "better"
    assert "score" not in words([*records, record_of("own", diverged_result(), seed=2)])


def test_of_an_edited_technique_the_newest_version_counts():
    old = trainings("own", [0.1, 0.1, 0.1], technique_digest="old", started_at="2026-01-01T00:00:00+00:00")
    new = trainings("own", [0.9], technique_digest="new", started_at="2026-01-02T00:00:00+00:00")
    for records in (old + new, new + old):
        found = only(trainings("baseline", BASE) + records, "score")
        assert (found.n, found.difference) == (1, pytest.approx(0.4))
        assert found.records == (new[0].file_name,)


def test_of_a_case_that_was_run_twice_the_newest_run_counts():
    old = trainings("own", [0.1], started_at="2026-01-01T00:00:00+00:00", session="first")
    new = trainings("own", [0.9], started_at="2026-01-02T00:00:00+00:00", session="second")
    for records in (old + new, new + old):
        assert only(trainings("baseline", [0.5]) + records, "score").difference == pytest.approx(0.4)


def test_a_verdict_names_its_records():
    ours = trainings("own", BASE)
    found = only(trainings("baseline", BASE) + ours, "score")
    assert found.records == tuple(record.file_name for record in ours)
    assert (found.technique, found.workload, found.scale) == ("own", "digits", "smoke")
    assert found in judge([[*ours, *trainings("baseline", BASE)]])[0]


def test_verdicts_are_kept_beside_the_records(tmp_path):
    records = trainings("baseline", BASE) + trainings("own", BASE)
    folder = RecordFolder(tmp_path)
    for record in records:
        folder.write(record)
    found = verdicts(records)
    path = write_verdicts(found, tmp_path)
    rows = json.loads(path.read_text())
    assert [(row["quantity"], row["word"]) for row in rows] == [(v.quantity, v.word) for v in found]
    assert folder.read()[1] == [], "and are not taken for a record"
