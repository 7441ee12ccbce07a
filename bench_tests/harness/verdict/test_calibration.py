"""Verdicts are wrong as often as they say: simulated studies at reduced size; all of them by `python -m bench_tests.calibration`.

Bounds are those that a right method passes in all but a thousandth of the times; seeds are fixed.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from bench_tests.calibration import simulation
from bench_tests.calibration.against_itself import against_itself
from bench_tests.calibration.simulation import Scenario, outcome, study
from greenbench.errors import UserError
from greenbench.spec.technique import BASELINE
from greenbench.verdict import verdict
from greenbench.verdict.family import two_sided

SMALL = Scenario("small", techniques=6, workloads=2)
STUDIES = 100
MOST_FALSE = binom.ppf(0.999, STUDIES, verdict.LEVEL) / STUDIES


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"seeds": 6},
        {"common": 0.0},
        {"unlike": 0.5},
        {"wild": 5, "workloads": 4},
        {"tails": 4},
        {"effect": 3},
        {"techniques": 1, "workloads": 1},
    ],
    ids=str,
)
def test_false_claims_are_as_rare_as_stated_and_intervals_hold_the_truth(changes):
    found = outcome(replace(SMALL, **changes), STUDIES)
    assert found.false_claims <= MOST_FALSE
    assert found.false_same <= MOST_FALSE
    assert 0.92 <= found.coverage <= 0.98


@pytest.mark.slow
def test_what_differs_is_found_and_what_does_not_is_shown_to_be_the_same():
    assert outcome(replace(SMALL, effect=3), 30).power > 0.95
    assert outcome(replace(SMALL, seeds=12), 30).same > 0.9


@pytest.mark.slow
def test_without_the_correction_the_same_studies_fail(monkeypatch):
    families = 2 * SMALL.workloads
    monkeypatch.setattr(
        verdict, "against_one_baseline", lambda ones: [two_sided(one) / families for one in ones]
    )
    assert outcome(SMALL, 30).false_claims > MOST_FALSE


def test_a_baseline_is_compared_with_itself():
    sets, _ = study(replace(SMALL, techniques=1, seeds=12, workloads=1), np.random.default_rng(0))
    found = against_itself(sets[0], 20)
    assert found.false_claims <= 0.2
    assert 0.8 <= found.coverage <= 1
    with pytest.raises(UserError, match="no baseline has 12 runs"):
        against_itself([record for record in sets[0] if record.case.technique != BASELINE], 20)


def test_a_simulated_study_has_the_differences_that_it_tells():
    rng = np.random.default_rng(0)
    sets, truth = study(replace(SMALL, effect=3, seeds=400, workloads=1), rng)
    scores = {}
    for record in sets[0]:
        scores.setdefault(record.case.technique, []).append(record.result.validation["accuracy"])
    means = {name: np.mean(values) for name, values in scores.items()}
    for row in range(1, 7):
        assert means[f"t{row}"] - means["baseline"] == pytest.approx(truth[row], abs=1.5e-3)
    assert np.std(scores["t1"]) == pytest.approx(simulation.NOISE, rel=0.15)
