"""Means over seeds, their intervals, and differences between paired runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from greenbench.verdict.statistics import estimate, paired_difference

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8)


@given(values)
def test_the_interval_is_students(samples):
    found = estimate(samples)
    mean, sem = np.mean(np.array(samples)), stats.sem(np.array(samples))
    assert found.mean == pytest.approx(mean, abs=1e-9)
    half = stats.t.ppf(0.975, len(samples) - 1) * sem
    assert found.half_width == pytest.approx(half, rel=1e-6, abs=1e-9)


def test_one_run_has_no_interval_and_none_is_an_error():
    assert estimate([3.0]).half_width is None
    with pytest.raises(ValueError, match="no values"):
        estimate([])


@given(values, st.floats(-5, 5))
def test_a_constant_shift_is_found_exactly_by_pairing(samples, shift):
    baseline = dict(enumerate(samples))
    changed = {seed: value + shift for seed, value in baseline.items()}
    difference = paired_difference(changed, baseline)
    assert difference.mean == pytest.approx(shift, abs=1e-9)
    assert difference.half_width == pytest.approx(0, abs=1e-6)


def test_no_shared_seed_gives_no_difference():
    assert paired_difference({1: 0.5}, {0: 0.5}) is None


def test_only_shared_seeds_are_paired():
    difference = paired_difference({0: 1.0, 1: 2.0, 2: 9.0}, {1: 1.5, 2: 8.0, 3: 0.0})
    assert difference.mean == pytest.approx(0.75)
    assert difference.runs == 2
