"""How far a quantity moved, against textbook tests, and what sessions add."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from greenbench.verdict import shift
from greenbench.verdict.noise import Scatter
from greenbench.verdict.shift import Run, Shift, Sides, moved_costs, moved_scores

VALUES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=8, unique=True)


def side(values, session):
    return [Run(seed, session, value) for seed, value in enumerate(values)]


def cell(before, after, workload="w", technique="t"):
    return Sides(workload, technique, side(before, "old"), side(after, "new"))


@given(before=VALUES, after=VALUES)
@settings(max_examples=50)
def test_one_cost_in_one_session_a_side_is_student_s_test(before, after):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shift, "SESSION_SD", 0.0)
        (found,) = moved_costs([cell(before, after)])
    expected = stats.ttest_ind(after, before, alternative="greater")
    assert found.worse() == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.df == pytest.approx(len(before) + len(after) - 2)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=3, max_size=8, unique=True))
@settings(max_examples=50)
def test_one_score_is_the_paired_test(pairs):
    before, after = zip(*pairs, strict=True)
    if len({b - a for b, a in pairs}) == 1:
        return
    (found,) = moved_scores([cell(before, after)])
    expected = stats.ttest_rel(after, before, alternative="greater")
    assert found.worse() == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (found.n, found.df) == (len(pairs), pytest.approx(len(pairs) - 1))


def test_scores_that_are_the_same_to_the_last_digit_have_not_moved():
    noisy = [cell([0.1, 0.5, 0.3], [0.2, 0.4, 0.9], technique=str(k)) for k in range(3)]
    for cells in ([cell([0.1, 0.7], [0.1, 0.7])], [cell([0.1, 0.7], [0.1, 0.7]), *noisy]):
        found = moved_scores(cells)[0]
        assert (found, found.worse()) == (Shift(0.0, 0.0, math.inf, 0.0, 2), 1.0)


def test_scores_that_have_not_moved_make_others_no_surer():
    moved = cell([0.1, 0.5, 0.3], [0.2, 0.4, 0.9])
    still = [cell([0.1, 0.7, 0.3], [0.1, 0.7, 0.3], technique=str(k)) for k in range(20)]
    assert moved_scores([moved, *still])[0] == moved_scores([moved])[0]


def test_equal_differences_of_scores_are_not_certain():
    (found,) = moved_scores(
        [Sides("w", "t", side([0.5, 0.6], "a"), side([0.49, 0.59], "b"), resolution=0.01)]
    )
    assert found.error > 0.005


def test_only_seeds_on_both_sides_are_pairs():
    one = Sides("w", "t", [Run(0, "a", 0.1), Run(1, "a", 0.2)], [Run(1, "b", 0.3), Run(2, "b", 0.9)])
    assert moved_scores([one]) == [None]


def test_a_seed_that_several_sessions_ran_is_one_pair():
    before = [*side([0.1, 0.2, 0.4], "a"), *side([0.1, 0.2, 0.4], "a2")]
    after = side([0.2, 0.1, 0.9], "b")
    (found,) = moved_scores([Sides("w", "t", before, after)])
    assert found == moved_scores([cell([0.1, 0.2, 0.4], [0.2, 0.1, 0.9])])[0]


def test_a_session_errs_by_what_is_stated_however_many_runs_it_has():
    values = [0.0, 0.01] * 200
    (found,) = moved_costs([cell(values, values)])
    assert found.error == pytest.approx(math.sqrt(2) * shift.SESSION_SD, rel=0.02)
    assert found.session == pytest.approx(2 * shift.SESSION_SD**2)


def test_a_session_that_both_sides_share_errs_alike():
    values = [0.0, 0.01, 0.02]
    (found,) = moved_costs([Sides("w", "t", side(values, "one"), side(values, "one"))])
    assert found.session == 0.0


def test_sessions_that_lie_apart_are_seen_by_all_together():
    """Ten techniques drift together by 3 %: each alone scatters little."""
    rng = random.Random(0)
    effects = {"a": 0.0, "b": 0.03, "c": -0.03, "x": 0.0, "y": 0.03, "z": -0.03}

    def runs(names):
        return [Run(s, name, effects[name] + rng.gauss(0, 0.002)) for name in names for s in range(3)]

    cells = [Sides("w", str(k), runs("abc"), runs("xyz")) for k in range(10)]
    found = moved_costs(cells)
    assert all(one.session > 2 * 0.02**2 / 3 for one in found)
    assert all(one.run < 4 * 0.003**2 for one in found), "which is not taken for noise of the runs"


def test_how_far_sessions_lie_apart_is_weighed_with_what_is_known_before():
    effects = {"a": 0.0, "b": 0.03, "c": -0.03, "x": 0.0, "y": 0.03, "z": -0.03}

    def runs(names):
        return [Run(seed, name, effects[name] + 0.001 * seed) for name in names for seed in range(3)]

    (found,) = moved_costs([Sides("w", "t", runs("abc"), runs("xyz"))])
    squares = sum(effect**2 for effect in effects.values())
    variance = (2 * shift.SESSION_SD**2 + squares) / (2 + 4)
    assert found.session == pytest.approx(6 * variance / 3**2), "a third of the runs of a side is of each"


def test_runs_and_sessions_are_told_apart_as_by_least_squares():
    """One technique, two sessions of three runs a side, against an independent fit of sides and sessions."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=12)
    sides = [
        [Run(k, f"{side}{k // 3}", value) for k, value in enumerate(values[start : start + 6])]
        for side, start in (("a", 0), ("b", 6))
    ]
    (found,) = moved_costs([Sides("w", "t", *sides)])
    design = np.kron(np.eye(4), np.ones((3, 1)))
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    variance = float(left @ left) / (12 - 4)
    assert found.run == pytest.approx(2 * variance)
    means = values.reshape(4, 3).mean(axis=1).reshape(2, 2)
    squares = float(((means - means.mean(axis=1, keepdims=True)) ** 2).sum())
    session = (shift.SESSION_WEIGHT * shift.SESSION_SD**2 + squares) / (shift.SESSION_WEIGHT + 2)
    assert found.session == pytest.approx(session)
    parts = (variance / 3, 8), (session, shift.SESSION_WEIGHT + 2)
    total = sum(part for part, _ in parts)
    assert found.error == pytest.approx(math.sqrt(total))
    assert found.df == pytest.approx(total**2 / sum(part**2 / df for part, df in parts))


def test_sessions_that_measured_nothing_in_common_tell_nothing_of_each_other():
    values = [0.0, 0.01, 0.02]
    apart = [
        Sides("w", "t", side(values, "a"), side(values, "x")),
        Sides("v", "t", side(values, "b"), side(values, "y")),
    ]
    assert moved_costs(apart)[0].session == pytest.approx(2 * shift.SESSION_SD**2)


def test_a_run_in_each_session_has_the_scatter_of_both():
    before, after = ([Run(k, f"{name}{k}", 0.01 * k) for k in range(4)] for name in "ab")
    (found,) = moved_costs([Sides("w", "t", before, after)])
    assert found.error >= math.sqrt(stats.tvar([0.0, 0.01, 0.02, 0.03]) / 2)


def test_one_run_alone_has_the_scatter_of_its_repeats_or_none():
    known = Run(0, "a", 0.0, Scatter(1e-4, 4.0)), Run(0, "b", 0.1, Scatter(1e-4, 4.0))
    (found,) = moved_costs([Sides("w", "t", [known[0]], [known[1]])])
    assert found.error == pytest.approx(math.sqrt(2e-4 + 2 * shift.SESSION_SD**2))
    assert found.df == pytest.approx(2.5e-4**2 / (2 * 1e-4**2 / 4)), "by Satterthwaite"
    assert moved_costs([Sides("w", "t", [known[0]], [Run(0, "b", 0.1)])]) == [None]


@given(alone=st.floats(-1, 1), others=VALUES)
@settings(max_examples=20)
def test_a_run_that_stands_alone_is_held_against_the_scatter_of_the_others(alone, others):
    n = len(others)
    for one, sign in ((cell([alone], others), 1), (cell(others, [alone]), -1)):
        (found,) = moved_costs([one], alone=True, session_sd=0.0)
        assert found.difference == pytest.approx(sign * (sum(others) / n - alone), abs=1e-9)
        assert found.error == pytest.approx(stats.tstd(others) * math.sqrt(1 + 1 / n), rel=1e-6)
        assert (found.df, found.n) == (pytest.approx(n - 1), 1)
    assert moved_costs([cell([alone], [others[0]])], alone=True) == [None]
    assert moved_costs([cell([alone], others)]) == [None]


@given(st.floats(-0.5, 0.5))
@settings(max_examples=20)
def test_the_interval_is_where_the_test_says(moved):
    (found,) = moved_costs([cell([0.0, 0.01, 0.02], [moved, moved + 0.01, moved - 0.01])])
    assert found.worse(than=found.difference - found.half_width(0.025)) == pytest.approx(0.025)
