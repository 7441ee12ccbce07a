"""Adjusted p-values, against simulation, scipy and the textbook."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from greenbench.verdict import family
from greenbench.verdict.family import Contrast, against_one_baseline, holm, two_sided

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=9)


@given(p_values)
def test_holm_is_the_largest_of_the_products_so_far(values):
    order = np.argsort(values, kind="stable")
    products = np.array(values)[order] * np.arange(len(values), 0, -1)
    expected = np.minimum(1, np.maximum.accumulate(products))
    found = np.array(holm(values))[order]
    assert found == pytest.approx(expected)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize("df", [1, 2, 4.5, 30, 1000])
@pytest.mark.parametrize("t", [0.0, 0.5, 2.0, 6.0])
def test_one_technique_alone_is_student_s_test(t, df):
    assert against_one_baseline([Contrast(-t, df, 0.5)]) == pytest.approx([2 * stats.t.sf(t, df)])


def test_it_is_dunnett_s_test():
    rng = np.random.default_rng(0)
    groups = [rng.normal(loc, size=4) for loc in (0, 0, 0.5, 1.5, -1)]
    theirs = rng.normal(size=4)
    reference = stats.dunnett(*groups, control=theirs, rng=1)
    contrasts = [Contrast(float(t), 18, 0.5) for t in reference.statistic]
    largest = int(np.argmax(np.abs(reference.statistic)))
    found = against_one_baseline(contrasts)
    assert found[largest] == pytest.approx(reference.pvalue[largest], abs=2e-3)
    assert all(ours <= theirs + 2e-3 for ours, theirs in zip(found, reference.pvalue, strict=True))


def test_the_shared_baseline_and_error_are_taken_into_account():
    """As large a value by chance as simulated studies have it: with unlike noises, and few degrees of freedom."""
    rng = np.random.default_rng(1)
    shares, df, t = np.array([0.5, 0.2, 0.8, 0.5]), 5, 2.5
    common = rng.normal(size=(400_000, 1))
    error = np.sqrt(rng.chisquare(df, (400_000, 1)) / df)
    drawn = (np.sqrt(shares) * common + np.sqrt(1 - shares) * rng.normal(size=(400_000, 4))) / error
    expected = (np.abs(drawn).max(axis=1) >= t).mean()
    found = against_one_baseline([Contrast(t, df, float(share)) for share in shares])[0]
    assert found == pytest.approx(expected, abs=2e-3)


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=8), st.floats(1, 60))
@settings(max_examples=40, deadline=None)
def test_an_adjusted_value_lies_between_that_alone_and_bonferroni_s(values, df):
    contrasts = [Contrast(t, df, 0.5) for t in values]
    for one, adjusted in zip(contrasts, against_one_baseline(contrasts), strict=True):
        alone = two_sided(one)
        assert alone - 1e-9 <= adjusted
        if abs(one.t) == max(map(abs, values)):
            assert adjusted <= min(1.0, len(values) * alone) + 1e-9


@pytest.mark.parametrize("t", [2.0, 4.0, 8.0, 20.0])
def test_short_cuts_stay_above_the_whole_calculation(t, monkeypatch):
    contrasts = [Contrast(t / (1 + place), 9.0, 0.5) for place in range(12)]
    short = against_one_baseline(contrasts)
    clear, hopeless = family.CLEAR, family.HOPELESS
    monkeypatch.setattr(family, "CLEAR", 0.0)
    monkeypatch.setattr(family, "HOPELESS", 1.0)
    for ours, whole in zip(short, against_one_baseline(contrasts), strict=True):
        assert whole <= ours * (1 + 1e-9)
        assert ours == pytest.approx(whole, rel=1e-3) or ours <= clear or whole > hopeless


def test_without_any_noise_a_difference_is_certain():
    certain, none = against_one_baseline([Contrast(float("inf"), 4, 0.5), Contrast(0.0, 4, 0.5)])
    assert (certain, none) == (0.0, pytest.approx(1.0))
