"""Noise of a technique from its own runs and those of the others, against float64 references."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import polygamma

from greenbench.verdict.noise import Layout, Scatter, fit, likeness, moderated, without_wild

tables = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def table(rng, rows=4, seeds=5, noise=1.0):
    values = rng.normal(size=(rows, 1)) + rng.normal(size=seeds) + noise * rng.normal(size=(rows, seeds))
    return {f"t{row}": dict(enumerate(map(float, values[row]))) for row in range(rows)}


@given(tables)
@settings(max_examples=30, deadline=None)
def test_a_full_table_is_analysed_as_randomised_blocks(rng):
    values = table(rng)
    array = np.array([list(row.values()) for row in values.values()])
    left = array - array.mean(1, keepdims=True) - array.mean(0) + array.mean()
    layout = fit(values)
    assert layout.pooled.df == (4 - 1) * (5 - 1)
    assert layout.pooled.variance == pytest.approx((left**2).sum() / 12)
    for name, residuals in zip(values, left, strict=True):
        assert layout.scatter[name].df == pytest.approx(3)
        assert layout.scatter[name].variance == pytest.approx((residuals**2).sum() / 3)


@given(tables, st.floats(-1e6, 1e6))
@settings(max_examples=30, deadline=None)
def test_what_all_runs_have_in_common_is_no_noise(rng, shift):
    values = table(rng)
    moved = {
        name: {seed: value + shift * seed for seed, value in row.items()} for name, row in values.items()
    }
    scale = max(1.0, abs(shift))
    assert fit(moved).pooled.variance == pytest.approx(
        fit(values).pooled.variance, abs=1e-9 * scale**2, rel=1e-6
    )


@given(tables)
@settings(max_examples=30, deadline=None)
def test_one_technique_beside_the_baseline_is_a_paired_t_test(rng):
    values = table(rng, rows=2)
    layout = fit(values)
    ours, theirs = (np.array(list(row.values())) for row in values.values())
    both = [moderated(layout, name, likeness([layout])) for name in values]
    assert sum(one.variance for one in both) == pytest.approx(np.var(ours - theirs, ddof=1))
    assert [one.df for one in both] == pytest.approx([4, 4])


def test_runs_that_the_others_lack_say_nothing_of_noise():
    values = table(np.random.default_rng(0), rows=3, seeds=3)
    more = {**values, "t1": {**values["t1"], 7: 100.0, 8: -100.0}}
    assert fit(more).pooled.variance == pytest.approx(fit(values).pooled.variance)
    assert fit(more).pooled.df == fit(values).pooled.df


@given(tables, st.integers(2, 7), st.integers(1, 7), st.floats(0.3, 1))
@settings(max_examples=100, deadline=None)
def test_a_table_with_gaps_is_analysed_as_by_least_squares(rng, rows, seeds, filled):
    """Residuals and degrees of freedom from the hat matrix of the whole design, by its pseudo-inverse."""
    values = table(rng, rows, seeds)
    first, *others = values
    for name in others:
        kept = {seed: value for seed, value in values[name].items() if rng.random() < filled}
        values[name] = (kept or {0: 1.0}) | ({9: 2.0} if rng.random() < 0.3 else {})
        if values[name].keys().isdisjoint(values[first]):
            values[name][0] = 0.5
    cells = [(name, seed) for name, row in values.items() for seed in row]
    columns = [*values, *sorted({seed for _, seed in cells})]
    design = np.array([[float(column in (name, seed)) for column in columns] for name, seed in cells])
    hat = design @ np.linalg.pinv(design)
    left = (np.eye(len(cells)) - hat) @ np.array([values[name][seed] for name, seed in cells])
    layout = fit(values)
    assert layout.pooled.df == pytest.approx(len(cells) - np.linalg.matrix_rank(design))
    for name, own in layout.scatter.items():
        places = [place for place, cell in enumerate(cells) if cell[0] == name]
        assert own.df == pytest.approx(sum(1 - hat[place, place] for place in places), abs=1e-9)
        assert own.variance * own.df == pytest.approx((left[places] ** 2).sum(), abs=1e-9)


def test_equal_values_have_no_noise_at_all():
    layout = fit({name: {0: 0.3, 1: 0.3, 2: 0.3} for name in "abc"})
    assert layout.pooled.variance == 0
    assert moderated(layout, "b", math.inf).variance == 0


def layouts(rng, prior_df, count=200, rows=20, df=4):
    """Variances as the prior makes them, infinite for all alike."""
    found = []
    for _ in range(count):
        true = np.ones(rows) if math.isinf(prior_df) else prior_df / rng.chisquare(prior_df, rows)
        scatter = {f"t{k}": Scatter(float(v * rng.chisquare(df) / df), df) for k, v in enumerate(true)}
        found.append(Layout(scatter, Scatter(1.0, rows * df)))
    return found


@pytest.mark.parametrize("prior_df", [3.0, 10.0])
def test_how_alike_techniques_scatter_is_found_again(prior_df):
    found = likeness(layouts(np.random.default_rng(1), prior_df))
    assert polygamma(1, found / 2) == pytest.approx(polygamma(1, prior_df / 2), rel=0.1)


def test_where_all_scatter_alike_the_pool_tells_nearly_all():
    assert likeness(layouts(np.random.default_rng(2), math.inf)) > 100
    assert likeness([]) == math.inf


def test_a_wild_technique_stands_alone_and_a_calm_one_does_not():
    rng = np.random.default_rng(3)
    values = table(rng, rows=8)
    wild = {**values, "wild": dict(enumerate(map(float, 50 * rng.normal(size=5))))}
    assert "wild" not in without_wild(wild).scatter
    assert without_wild(wild).pooled.variance < fit(wild).pooled.variance / 100
    assert without_wild(wild) == fit(values)
    assert without_wild(values) == fit(values)


def test_two_seeds_are_enough_to_be_taken_for_wild():
    values = table(np.random.default_rng(5), rows=8, seeds=2)
    assert "wild" not in without_wild({**values, "wild": {0: 0.0, 1: 1e6}}).scatter


def test_a_technique_like_the_others_is_rarely_taken_for_wild():
    taken = sum(len(without_wild(table(np.random.default_rng(seed))).scatter) < 4 for seed in range(300))
    assert taken <= stats.binom.ppf(0.999, 300, 0.01)


def test_a_technique_that_scatters_more_is_not_judged_by_the_others():
    layout = Layout({"a": Scatter(1.0, 2.0), "b": Scatter(5.0, 2.0)}, Scatter(2.0, 8.0))
    assert moderated(layout, "a", 6.0) == Scatter((6 * 2.0 + 2 * 1.0) / 8, 8.0)
    assert moderated(layout, "b", 6.0) == Scatter(5.0, 8.0)
    assert moderated(layout, "a", 2.0).df == 4.0
