"""The figure of score against what was spent: means over runs, the same file every time."""

import pytest

from bench_tests.harness.made_records import followed, record_of
from bench_tests.harness.report.svg import svg_texts
from greenbench.report.figures.courses import MOST_LINES, course_panels, figures
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
    first, last = panel.lines["baseline"]
    assert (first.cost, first.score, first.low, first.high) == pytest.approx((4.5, 30, 20, 40))
    assert (last.cost, last.score, last.low, last.high) == pytest.approx((9.0, 50, 40, 60))


def test_epochs_that_some_run_did_not_evaluate_are_left_out():
    records = [followed("baseline", [0.2, None, 0.4]), followed("baseline", [0.2, 0.3, 0.4], seed=1)]
    (panel,) = course_panels(section_of(*records))
    assert [point.cost for point in panel.lines["baseline"]] == [1.0, 3.0]


def test_the_file_is_the_same_every_time_and_names_the_techniques(tmp_path):
    (figure,) = figures(section_of(*study(targets=(0.55,))))
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    figure.write(first)
    figure.write(second)
    assert first.read_bytes() == second.read_bytes()
    assert {"Baseline", "Mixup", "Digits", "Accuracy validation, %"} <= set(svg_texts(figure, tmp_path))


def test_of_more_lines_than_can_be_told_apart_the_front_is_drawn(tmp_path):
    names = [f"t{number:02}" for number in range(MOST_LINES)]
    others = [followed(name, [0.2, 0.3], seconds=2.0 + k) for k, name in enumerate(names)]
    quick = followed("quick", [0.2, 0.3], seconds=0.5)
    (figure,) = figures(section_of(followed("baseline", [0.2, 0.4]), quick, *others))
    texts = set(svg_texts(figure, tmp_path))
    assert {"Baseline", "Quick"} <= texts
    assert not {name.capitalize() for name in names} & texts


def test_lines_that_are_drawn_can_be_told_apart():
    names = [f"t{number:02}" for number in range(MOST_LINES - 1)]
    records = [followed(name, [0.2, 0.3], seconds=2.0) for name in ("baseline", *names)]
    (figure,) = figures(section_of(*records))
    _, lines, _ = figure.panels[0]["layer"]
    looks = zip(*(lines["encoding"][what]["scale"]["range"] for what in ("color", "strokeDash")), strict=True)
    assert len({(color, *dash) for color, dash in looks}) == MOST_LINES


def test_without_curves_nothing_is_drawn():
    assert not [*figures(section_of(record_of(), record_of("mixup")))]


def test_the_report_shows_it_and_takes_earlier_ones_away(report_of, tmp_path):
    text, _ = report_of(*study())
    assert "(figures/1-courses.svg)" in text
    assert (tmp_path / "figures" / "1-courses.svg").is_file()
    for name in ("2-courses.svg", "published-2.svg"):
        (tmp_path / "figures" / name).write_text("of an earlier report, and of somebody else")
    report_of(*study())
    assert not (tmp_path / "figures" / "2-courses.svg").exists()
    assert (tmp_path / "figures" / "published-2.svg").exists()
