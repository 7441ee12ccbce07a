"""Limits of the gate: how they are read, and what they are about."""

import pytest

from greenbench.errors import UserError
from greenbench.spec.workload import ACCURACY, Metric
from greenbench.verdict.limits import FAMILIES, USUAL, limit_of, read_limits
from greenbench.verdict.quantities import QUANTITIES, SCORE

PERPLEXITY = Metric("perplexity", "Perplexity", unit="", better="lower")
METRICS = {"accuracy": ACCURACY, "perplexity": PERPLEXITY}


def limit(text, name, metric=ACCURACY):
    return limit_of(QUANTITIES[name].of(metric), metric, read_limits(text, METRICS))


def test_a_family_is_about_every_quantity_of_it():
    limits = read_limits("energy:5%, latency:15%", METRICS)
    found = {
        name for name, one in QUANTITIES.items() if limit_of(one.of(ACCURACY), ACCURACY, limits) is not None
    }
    assert found == {
        "train_energy_j",
        "image_energy_j",
        "batch_energy_j",
        "cost_energy_j",
        "case_energy_j",
        "latency_ms",
        "batch_latency_ms",
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_members(family):
    assert any(limit(f"{family}:1%", name) for name in QUANTITIES)


def test_costs_are_limited_by_shares_and_scores_by_points():
    assert limit("energy:5%", "train_energy_j") == pytest.approx(0.05)
    assert limit("images_per_s:5%", "images_per_s") == pytest.approx(0.05)
    assert limit("accuracy:1pp", "score") == limit("score:1pp", "score") == pytest.approx(0.01)
    assert limit("accuracy:1pp", "train_score") is None
    assert limit("params:0%", "params") == 0


def test_a_quantity_s_own_limit_counts_before_its_family_s():
    for text in ("energy:5% train_energy_j:9%", "train_energy_j:9% energy:5%"):
        assert limit(text, "train_energy_j") == pytest.approx(0.09)
        assert limit(text, "image_energy_j") == pytest.approx(0.05)


def test_points_are_of_metrics_in_percent_alone():
    assert limit("score:1pp", "score", PERPLEXITY) is None
    assert limit("score:0.5", "score", PERPLEXITY) == 0.5
    assert limit("perplexity:0.5", "score", PERPLEXITY) == 0.5
    assert limit("score:0.5", "score") is None
    assert limit("perplexity:0.5", "score") is None


def test_the_usual_limits_are_about_what_matters():
    missed = {name for name in QUANTITIES if limit(USUAL, name) is None}
    assert missed == {"train_score", "steps"}
    assert read_limits(None, METRICS) == read_limits(USUAL, METRICS)
    assert limit(USUAL, SCORE.name) == 0.01


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no limit", "energy:5%"]),
        (" , ", ["no limit"]),
        ("energy", ["'energy'", "NAME:AMOUNT"]),
        ("joy:5%", ["'joy'", "energy", "latency", "accuracy", "train_energy_j"]),
        ("energy:5", ["unit ''", "percent", "energy:5%"]),
        ("energy:5J", ["unit 'J'", "energy:5%"]),
        ("energy:5pp", ["unit 'pp'", "energy:5%"]),
        ("accuracy:1%", ["unit '%'", "accuracy:1pp"]),
        ("score:1%", ["unit '%'", "score:1pp or score:1"]),
        ("perplexity:1pp", ["unit 'pp'", "perplexity:1"]),
        ("energy:-5%", ["'-5'", "more than 0"]),
        ("energy:0%", ["'0'", "no two runs are alike"]),
        ("energy:nan%", ["'nan'"]),
        ("energy:inf%", ["'inf'"]),
        ("energy:100%", ["below 100"]),
        ("energy:5% energy:6%", ["energy", "more than one"]),
        ("energy: 5%", ["'energy:'"]),
    ],
)
def test_what_makes_no_sense_is_refused(text, words):
    with pytest.raises(UserError) as error:
        read_limits(text, METRICS)
    for word in words:
        assert word in str(error.value)
