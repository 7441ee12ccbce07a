"""The figure: from verdicts, cut where one value would flatten the rest, the same every time."""

import pytest

from bench_tests.harness.made_records import diverged_result, record_of, training_result
from bench_tests.harness.report.svg import svg_texts
from greenbench.records.results import Skipped
from greenbench.report.figures.gain_and_cost import (
    COLORS,
    NO_RUN,
    NOT_APPLICABLE,
    ROWS_SHOWN,
    SETS_SHOWN,
    figures,
    set_panels,
)
from greenbench.report.sections import split_into_sections


def section_of(*records):
    (section,) = split_into_sections(records)
    return section


def section_panels(section):
    return [panel for found in section.sets for panel in set_panels(found)]


def drawn(section, folder):
    (figure,) = figures(section)
    return svg_texts(figure, folder)


def test_bars_are_the_differences_of_the_verdicts(seeds_of):
    section = section_of(
        *seeds_of("baseline", (0.80, 0.81, 0.82), energy_j=100),
        *seeds_of("mixup", (0.85, 0.86, 0.87), energy_j=50),
    )
    gain, cost = section_panels(section)
    assert (gain.head, gain.what) == ("Digits", "Accuracy, points")
    assert gain.bars["mixup"].value == pytest.approx(5)
    assert gain.bars["mixup"].word == "better"
    assert (cost.head, cost.what) == ("Digits", "energy, ×")
    assert cost.bars["mixup"].value == pytest.approx(0.5)


def test_time_is_the_cost_unless_every_technique_has_its_energy():
    section = section_of(
        record_of(result=training_result(0.9, energy_j=100, seconds=2)),
        record_of("mixup", training_result(0.9, energy_j=50, seconds=2)),
        record_of("radam", training_result(0.9, seconds=4)),
    )
    cost = section_panels(section)[1]
    assert cost.what == "time, ×"
    assert cost.bars["radam"].value == pytest.approx(2)


def test_one_outlier_is_cut_and_its_value_printed(tmp_path):
    scores = {f"t{number}": 0.9 + number / 1000 for number in range(1, 11)}
    section = section_of(
        record_of(),
        *(record_of(name, training_result(score)) for name, score in scores.items()),
        record_of("broken", training_result(0.4)),
    )
    assert section_panels(section)[0].limit < 5
    assert "-50.0" in drawn(section, tmp_path)


def test_values_of_one_size_are_not_cut(tmp_path):
    section = section_of(
        record_of(),
        *(record_of(f"t{number}", training_result(0.9 - number / 100)) for number in range(1, 11)),
    )
    assert section_panels(section)[0].limit == pytest.approx(10)


def test_what_is_missing_is_said_and_is_no_point_at_zero(tmp_path):
    section = section_of(
        record_of(),
        record_of("mixup"),
        record_of("radam", diverged_result()),
        record_of(workload="scenes"),
        record_of("radam", workload="scenes"),
        record_of("mixup", Skipped("no labels"), kind="training", workload="scenes"),
    )
    assert [set(panel.bars) for panel in section_panels(section)] == [
        {"mixup"},
        {"mixup"},
        {"radam"},
        {"radam"},
    ]
    texts = drawn(section, tmp_path)
    assert (texts.count(NO_RUN), texts.count(NOT_APPLICABLE)) == (2, 2)


def test_runs_that_diverged_leave_no_bar_of_the_others(seeds_of):
    section = section_of(
        *seeds_of("baseline", (0.8, 0.81, 0.82)),
        *seeds_of("mixup", (0.9, 0.91)),
        record_of("mixup", diverged_result(), seed=2),
    )
    assert section_panels(section) == []


def test_many_workloads_and_techniques_are_not_all_drawn_and_the_figure_says_so(tmp_path):
    wide = [
        record_of(name, workload=f"w{number}")
        for number in range(SETS_SHOWN + 1)
        for name in ("baseline", "mixup")
    ]
    (figure,) = figures(section_of(*wide))
    assert f"The first {SETS_SHOWN} of {SETS_SHOWN + 1} workloads are shown." in figure.caption
    assert len(figure.panels) == 2 * SETS_SHOWN
    high = [record_of(), *(record_of(f"t{number:03}") for number in range(ROWS_SHOWN + 1))]
    (figure,) = figures(section_of(*high))
    assert f"The first {ROWS_SHOWN} of {ROWS_SHOWN + 1} techniques are shown." in figure.caption
    assert sum(text.startswith("T0") for text in svg_texts(figure, tmp_path)) == 2 * ROWS_SHOWN


def test_without_a_technique_beside_its_baseline_there_is_no_figure():
    assert not [*figures(section_of(record_of()))]
    assert not [*figures(section_of(record_of("mixup")))]


def test_titles_are_no_formulas_and_no_markup(tmp_path):
    titles = [r"$\frac{$", "<script>", "題 \x00 \ud800", "a & b"]
    section = section_of(
        record_of(), *(record_of(f"t{number}", title=title) for number, title in enumerate(titles))
    )
    texts = drawn(section, tmp_path)
    assert {r"$\frac{$", "<script>", "題", "a & b"} <= set(texts)


def test_the_file_is_the_same_every_time(tmp_path):
    section = section_of(record_of(), record_of("mixup", training_result(0.95)))
    (figure,) = figures(section)
    for suffix in (".svg", ".png"):
        one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
        figure.write(one)
        figure.write(other)
        assert one.read_bytes() == other.read_bytes()


def test_every_verdict_has_its_color():
    assert set(COLORS) == {"better", "same", "worse", "undecided"}
