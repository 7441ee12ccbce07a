"""The figure of score against what was spent: means over runs, the same file every time."""

from xml.etree import ElementTree

import pytest

from bench_tests.harness.made_records import followed, record_of
from greenbench.report.figures.courses import MOST_LINES, course_panels, draw_courses
from greenbench.report.sections import split_into_sections


def section_of(*records):
    (section,) = split_into_sections(records)
    return section


def study(**facts):
    return [
        followed("baseline", [0.2, 0.4], seed=0, seconds=1000.0, power_w=3.0, **facts),
        followed("baseline", [0.4, 0.6], seed=1, seconds=2000.0, power_w=3.0, **facts),
        followed("mixup", [0.1, 0.3], seed=0, seconds=1000.0, power_w=1.0, **facts),
    ]


def test_lines_are_means_over_the_runs_in_the_unit_of_the_largest():
    (panel,) = course_panels(section_of(*study()))
    assert (panel.title, panel.cost, panel.score) == ("Digits", "Energy, kJ", "Accuracy validation, %")
    assert panel.targets == (50.0,)
    assert panel.lines["baseline"] == [
        (pytest.approx(4.5), pytest.approx(30)),
        (pytest.approx(9.0), pytest.approx(50)),
    ]


def test_epochs_that_some_run_did_not_evaluate_are_left_out():
    records = [followed("baseline", [0.2, None, 0.4]), followed("baseline", [0.2, 0.3, 0.4], seed=1)]
    (panel,) = course_panels(section_of(*records))
    assert [x for x, _ in panel.lines["baseline"]] == [1.0, 3.0]


def test_the_file_is_the_same_every_time_and_names_the_techniques(tmp_path):
    section = section_of(*study(targets=(0.55,)))
    first, second = (draw_courses(section, tmp_path / name) for name in ("a.svg", "b.svg"))
    assert first.read_bytes() == second.read_bytes()
    texts = [one.text for one in ElementTree.parse(first).iter("{http://www.w3.org/2000/svg}text")]
    assert {"Baseline", "Mixup", "Digits", "Accuracy validation, %"} <= set(texts)


def test_of_more_lines_than_can_be_told_apart_the_front_is_drawn(tmp_path):
    names = [f"t{number:02}" for number in range(MOST_LINES)]
    others = [followed(name, [0.2, 0.3], seconds=2.0 + k) for k, name in enumerate(names)]
    quick = followed("quick", [0.2, 0.3], seconds=0.5)
    section = section_of(followed("baseline", [0.2, 0.4]), quick, *others)
    path = draw_courses(section, tmp_path / "figure.svg")
    texts = {one.text for one in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")}
    assert {"Baseline", "Quick"} <= texts
    assert not {name.capitalize() for name in names} & texts


def test_without_curves_nothing_is_drawn(tmp_path):
    assert draw_courses(section_of(record_of(), record_of("mixup")), tmp_path / "none.svg") is None
    assert not list(tmp_path.iterdir())


def test_the_report_shows_it(report_of, tmp_path):
    text, _ = report_of(*study())
    assert "(report-1-courses.svg)" in text
    assert (tmp_path / "report-1-courses.svg").is_file()
    (tmp_path / "report-2-courses.svg").write_text("of an earlier report")
    report_of(*study())
    assert not (tmp_path / "report-2-courses.svg").exists()
