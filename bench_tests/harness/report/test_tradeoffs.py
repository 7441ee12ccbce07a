"""Scatter plots: the right points, a rank correlation that scipy confirms, names that do not lie on each other."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench_tests.harness.made_records import inference_result, record_of, training_result
from bench_tests.harness.report.svg import svg_texts
from greenbench.energy.carbon import carbon_intensity
from greenbench.report.figures import parts, tradeoffs
from greenbench.report.figures.labels import GAP, LINE, _box, placed
from greenbench.report.figures.scatter import Point, Scatter, category_colors, scatter_spec
from greenbench.report.sections import split_into_sections
from greenbench.spec.technique import CATEGORIES
from greenbench.verdict.correlation import FEWEST, rank_correlation

WORLD = carbon_intensity("world")
VALUES = st.floats(-1e6, 1e6).map(lambda value: round(value, 1))


def figures_of(*records):
    (section,) = split_into_sections(records)
    return {figure.name: figure for figure in tradeoffs.figures(section, WORLD)}


def points_of(figure, panel=0):
    return {value["name"]: value for value in figure.panels[panel]["data"]["values"]}


def study(**facts):
    trained = [
        record_of(name, training_result(score, energy_j=joules), **facts)
        for name, score, joules in (
            ("baseline", 0.8, 100),
            ("mixup", 0.9, 200),
            ("quick", 0.7, 50),
            ("poor", 0.6, 150),
        )
    ]
    networks = [
        record_of(name, inference_result(latency_ms, params, energy_j), **facts)
        for name, latency_ms, params, energy_j in (
            ("baseline", 2.0, 1000, 1.0),
            ("mixup", 3.0, 2000, 2.0),
            ("quick", 1.0, 500, 0.5),
        )
    ]
    return trained + networks


def test_each_figure_shows_its_two_quantities():
    found = figures_of(*study())
    assert set(found) == {"score-and-cost", "time-and-params", "time-and-operations", "score-and-co2"}
    mixup = points_of(found["score-and-cost"])["mixup"]
    assert (mixup["x"], mixup["y"], mixup["x_text"]) == (200, pytest.approx(90), "200 J")
    quick = points_of(found["time-and-params"])["quick"]
    assert (quick["x"], quick["y"]) == (0.0005, 1.0)
    joined = points_of(found["score-and-co2"])
    assert set(joined) == {"baseline", "mixup", "quick"}
    assert joined["mixup"]["x"] == pytest.approx(2 * joined["baseline"]["x"])


def test_without_energy_at_inference_co2_is_that_of_the_study_s_formula():
    records = [
        replace(record, result=inference_result(record.result.single.latency_ms))
        if record.case.kind == "inference"
        else record
        for record in study()
    ]
    (panel,) = figures_of(*records)["score-and-co2"].panels
    assert "study's formula" in str(panel)


def test_the_front_is_of_points_that_no_other_one_beats():
    points = tuple(
        Point(name, name, "", x, y)
        for name, x, y in (("a", 1, 1), ("b", 2, 3), ("c", 3, 2), ("d", 4, 4), ("e", 2, 2))
    )
    assert [point.name for point in Scatter("", "", "", points, ("lower", "higher")).front] == ["a", "b", "d"]
    assert [point.name for point in Scatter("", "", "", points, ("lower", "lower")).front] == ["a"]
    assert not Scatter("", "", "", points).front


def test_an_outlier_lies_at_the_edge_with_its_value():
    points = [
        Point(f"t{k}", f"T{k}", "", 1 + k / 10, 90 + k / 10, y_text=f"{90 + k / 10}%") for k in range(9)
    ]
    points.append(Point("far", "Far", "", 1.2, 5.0, y_text="5.0%"))
    spec = scatter_spec(Scatter("", "", "", tuple(points)), {"": "#000000"})
    far = next(value for value in spec["data"]["values"] if value["name"] == "far")
    assert far["y"] > 85
    assert (far["shape"], far["label"]) == ("triangle-down", "Far (5.0%)")


def test_names_and_correlation_are_in_the_file(tmp_path):
    records = study() + [record_of(f"t{k}", training_result(0.5 + k / 100, energy_j=k + 1)) for k in range(5)]
    texts = " ".join(svg_texts(figures_of(*records)["score-and-cost"], tmp_path))
    assert "Baseline" in texts
    assert "ρ = " in texts
    assert "n = 9" in texts


@given(st.lists(st.tuples(VALUES, VALUES), min_size=FEWEST, max_size=40))
def test_the_correlation_is_scipy_s(pairs):
    x, y = zip(*pairs, strict=True)
    found = rank_correlation(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found is None
    else:
        assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
        assert -1 <= found.low <= found.rho + 1e-12
        assert found.rho - 1e-12 <= found.high <= 1


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    drawn = random.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=(2000, 18))
    truth = 6 / np.pi * np.arcsin(0.5 / 2)
    found = [rank_correlation(*sample.T.tolist()) for sample in drawn]
    share = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.93 < share < 0.98


def test_too_few_points_have_no_correlation():
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4]) is None
    spec = scatter_spec(
        Scatter("", "", "", tuple(Point(str(k), "", "", k, k) for k in range(3))), {"": "#000000"}
    )
    assert "too few for a rank correlation" in str(spec["title"])


@given(st.lists(st.tuples(st.floats(0, 250), st.floats(0, 220), st.integers(1, 28)), max_size=30))
def test_no_name_lies_on_another_or_on_another_point(points):
    places = placed([(x, y) for x, y, _ in points], ["m" * size for _, _, size in points], 250, 220)
    boxes = [
        _box(x + place.dx, y + place.dy, 5.2 * size, place.align)
        for (x, y, size), place in zip(points, places, strict=True)
        if place is not None
    ]
    assert not any(a.meets(b) for k, a in enumerate(boxes) for b in boxes[:k])
    assert all(box.left >= 0 and box.right <= 250 and box.top >= 0 and box.bottom <= 220 for box in boxes)


def test_a_lone_point_has_its_name_on_the_right():
    (place,) = placed([(100, 100)], ["Mixup"], 250, 220)
    assert (place.dx, place.dy, place.align) == (GAP, 0, "left")
    assert LINE > 0


def test_parts_are_joules_where_all_runs_have_them_and_else_seconds():
    (section,) = split_into_sections([record_of(), record_of("mixup", training_result(0.9, seconds=4.0))])
    (figure,) = parts.figures(section)
    values = {(value["name"], value["part"]): value["value"] for value in figure.panels[0]["data"]["values"]}
    assert values == {
        ("baseline", "training"): 2.0,
        ("baseline", "evaluation"): 0.1,
        ("mixup", "training"): 4.0,
        ("mixup", "evaluation"): 0.1,
    }


def test_power_is_energy_over_time_epoch_by_epoch():
    (section,) = split_into_sections(
        [record_of(result=training_result(0.9, 80)), record_of("mixup", training_result(0.9, 40))]
    )
    _, figure = parts.figures(section)
    values = figure.panels[0]["data"]["values"]
    assert [(value["name"], value["x"], value["y"]) for value in values] == [
        ("baseline", 0.0, 40.0),
        ("baseline", 2.0, 40.0),
        ("mixup", 0.0, 20.0),
        ("mixup", 2.0, 20.0),
    ]


def test_a_category_has_one_color_in_all_figures():
    scatters = [
        Scatter("", "", "", tuple(Point(c, c, c, 0, 0) for c in found))
        for found in (CATEGORIES, CATEGORIES[3:5])
    ]
    every, some = category_colors(scatters[:1]), category_colors(scatters[1:])
    assert some == {name: every[name] for name in CATEGORIES[3:5]}
    assert len(set(every.values())) == len(CATEGORIES)
