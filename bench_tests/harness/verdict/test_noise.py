"""Noise of a technique from its own runs and those of the others, against float64 references."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import polygamma

from greenbench.verdict.noise import Layout, Scatter, apart, fit, likeness, moderated, without_wild

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
    assert "wild" not in without_wild([wild])[0].scatter
    assert without_wild([wild])[0].pooled.variance < fit(wild).pooled.variance / 100
    assert without_wild([wild])[0] == fit(values)
    assert without_wild([values])[0] == fit(values)


def test_two_seeds_are_enough_to_be_taken_for_wild():
    values = table(np.random.default_rng(5), rows=8, seeds=2)
    assert "wild" not in without_wild([{**values, "wild": {0: 0.0, 1: 1e6}}])[0].scatter


def test_a_technique_like_the_others_is_rarely_taken_for_wild():
    taken = sum(len(without_wild([table(np.random.default_rng(seed))])[0].scatter) < 4 for seed in range(300))
    assert taken <= stats.binom.ppf(0.999, 300, 0.01)


def noisy_tables(rng, workloads, times=5.0, seeds=3):
    """Eight rows that scatter alike, each workload in its own unit, and one that scatters so many times more."""
    tables = []
    for workload in range(workloads):
        values = table(rng, rows=8, seeds=seeds, noise=10.0**workload)
        noisy = times * 10.0**workload * rng.normal(size=seeds)
        tables.append({**values, "noisy": dict(enumerate(map(float, noisy)))})
    return tables


def test_what_three_runs_on_one_workload_do_not_show_those_on_four_do():
    rng = np.random.default_rng(6)
    seen = {1: 0, 4: 0}
    for workloads in seen:
        for _ in range(100):
            layouts = without_wild(noisy_tables(rng, workloads))
            left_out = {"noisy" not in layout.scatter for layout in layouts}
            assert len(left_out) == 1  # of all workloads, or of none
            seen[workloads] += left_out.pop()
    assert seen[1] < 80 < 97 <= seen[4]


def test_one_wild_workload_of_many_is_seen_too():
    rng = np.random.default_rng(7)
    calm = noisy_tables(rng, 3, times=1.0)
    calm[1]["noisy"] = {seed: 1e3 * value for seed, value in calm[1]["noisy"].items()}
    assert all("noisy" not in layout.scatter for layout in without_wild(calm))


def test_techniques_that_are_alike_on_many_workloads_are_rarely_left_out():
    rng = np.random.default_rng(8)
    taken = sum(len(without_wild(noisy_tables(rng, 4, times=1.0))[0].scatter) < 9 for _ in range(200))
    assert taken <= stats.binom.ppf(0.999, 200, 0.01)


def test_a_wild_technique_is_known_by_its_runs_on_all_workloads():
    tables = noisy_tables(np.random.default_rng(9), 12, times=30.0)
    layouts = without_wild(tables)
    found = [of["noisy"] for of in apart(tables, layouts)]
    for workload, own in enumerate(found):
        difference = (30.0**2 + 1) * 100.0**workload
        assert own.variance >= 0.6 * difference / 2  # three runs alone often say a tenth
        assert own.df == pytest.approx(
            1 / (1 / 24 + 1 / 14)
        )  # of its own runs, and of the others' on one workload


def test_a_wild_technique_on_one_workload_is_a_paired_t_test():
    (values,) = noisy_tables(np.random.default_rng(10), 1, times=100.0)
    ((own,),) = (of.values() for of in apart([values], without_wild([values])))
    ours, theirs = (np.array(list(values[name].values())) for name in ("noisy", "t0"))
    assert 2 * own.variance == pytest.approx(np.var(ours - theirs, ddof=1))
    assert own.df == 2


def test_others_without_any_noise_on_a_workload_tell_nothing_there():
    rng = np.random.default_rng(11)
    tables = noisy_tables(rng, 2, times=100.0)
    tables[1] = {name: dict.fromkeys(range(3), 1.0) for name in tables[1]} | {
        "noisy": {0: 1.0, 1: 2.0, 2: 3.0}
    }
    layouts = without_wild(tables)
    layouts[1] = fit({name: row for name, row in tables[1].items() if name != "noisy"})
    first, second = (of["noisy"] for of in apart(tables, layouts))
    assert (second.variance, second.df) == (pytest.approx(0.5), 2)
    assert first.df == 2


def test_a_technique_that_scatters_more_is_not_judged_by_the_others():
    layout = Layout({"a": Scatter(1.0, 2.0), "b": Scatter(5.0, 2.0)}, Scatter(2.0, 8.0))
    assert moderated(layout, "a", 6.0) == Scatter((6 * 2.0 + 2 * 1.0) / 8, 8.0)
    assert moderated(layout, "b", 6.0) == Scatter(5.0, 8.0)
    assert moderated(layout, "a", 2.0).df == 4.0
