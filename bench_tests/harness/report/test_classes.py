"""The figure of the score by class: means over runs minus the baseline's, and which classes of many are shown."""

import pytest

from bench_tests.harness.made_records import record_of, training_result
from greenbench.report.figures.classes import MOST_CLASSES, figures
from greenbench.report.sections import split_into_sections
from greenbench.spec.workload import Metric


def runs(technique, *scores, **facts):
    """Return one record for each dictionary of a score's classes."""
    return [
        record_of(
            technique,
            training_result(
                0.5, validation={"accuracy": 0.5, **{f"accuracy/{name}": v for name, v in of.items()}}
            ),
            seed=seed,
            **facts,
        )
        for seed, of in enumerate(scores)
    ]


def panels_of(*records):
    (section,) = split_into_sections(records)
    return [panel for figure in figures(section) for panel in figure.panels]


def test_differences_are_of_means_in_points():
    (panel,) = panels_of(
        *runs("baseline", {"0": 0.5, "sky": 0.2}, {"0": 0.7, "sky": 0.4}),
        *runs("mixup", {"0": 0.8, "sky": 0.1}),
    )
    values = {(v["name"], v["class"]): (v["gain"], v["score"]) for v in panel["data"]["values"]}
    assert values == {
        ("mixup", "0"): (pytest.approx(20.0), "80.0"),
        ("mixup", "sky"): (pytest.approx(-20.0), "10.0"),
    }
    assert "0 (60)" in panel["encoding"]["x"]["axis"]["labelExpr"]
    low, middle, high = panel["encoding"]["color"]["scale"]["domain"]
    assert (low, middle) == (-high, 0), "gains and losses of one size must have colors of one strength"


def test_where_less_is_better_less_is_a_gain():
    metric = Metric("accuracy", "Error", unit="", better="lower")
    (panel,) = panels_of(
        *runs("baseline", {"0": 3.0}, metric=metric), *runs("mixup", {"0": 1.0}, metric=metric)
    )
    assert panel["data"]["values"][0]["gain"] == 2.0


def test_classes_that_some_run_has_not_are_left_out():
    (panel,) = panels_of(
        *runs("baseline", {"0": 0.5, "1": 0.5}, {"0": 0.5}), *runs("mixup", {"0": 0.5, "1": 0.9})
    )
    assert {value["class"] for value in panel["data"]["values"]} == {"0"}


def test_of_many_classes_those_that_differ_most_are_shown_in_their_order():
    baseline = {str(k): 0.5 for k in range(MOST_CLASSES + 7)}
    mixup = {name: 0.5 + int(name) / 1000 for name in baseline}
    (panel,) = panels_of(*runs("baseline", baseline), *runs("mixup", mixup))
    assert panel["encoding"]["x"]["scale"]["domain"] == [str(k) for k in range(7, MOST_CLASSES + 7)]
    assert panel["title"]["subtitle"] == ["7 classes that differ less are left out"]


def test_without_classes_or_a_baseline_there_is_no_figure():
    assert not panels_of(record_of(), record_of("mixup"))
    assert not panels_of(*runs("mixup", {"0": 0.5}))
    assert not panels_of(*runs("baseline", {"0": 0.5}))
