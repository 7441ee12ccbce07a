"""The figure: from verdicts, cut where one value would flatten the rest, the same every time."""

from xml.etree import ElementTree

import pytest

from bench_tests.harness.made_records import diverged_result, record_of, training_result
from greenbench.report.figures.gain_and_cost import COLORS, ROWS_SHOWN, SETS_SHOWN, draw, set_panels
from greenbench.report.sections import split_into_sections
from greenbench.units import MISSING


def section_of(*records):
    (section,) = split_into_sections(records)
    return section


def section_panels(section):
    return [panel for found in section.sets for panel in set_panels(found)]


def svg_texts(path):
    return [element.text for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_bars_are_the_differences_of_the_verdicts(seeds_of):
    section = section_of(
        *seeds_of("baseline", (0.80, 0.81, 0.82), energy_j=100),
        *seeds_of("mixup", (0.85, 0.86, 0.87), energy_j=50),
    )
    gain, cost = section_panels(section)
    assert gain.title == "Digits\nAccuracy, points"
    assert gain.bars["mixup"].value == pytest.approx(5)
    assert gain.bars["mixup"].word == "better"
    assert cost.title == "Digits\nenergy, ×"
    assert cost.bars["mixup"].value == pytest.approx(0.5)


def test_time_is_the_cost_unless_every_technique_has_its_energy():
    section = section_of(
        record_of(result=training_result(0.9, energy_j=100, seconds=2)),
        record_of("mixup", training_result(0.9, energy_j=50, seconds=2)),
        record_of("radam", training_result(0.9, seconds=4)),
    )
    cost = section_panels(section)[1]
    assert cost.title.endswith("time, ×")
    assert cost.bars["radam"].value == pytest.approx(2)


def test_one_outlier_is_cut_and_its_value_printed(tmp_path):
    scores = {f"t{number}": 0.9 + number / 1000 for number in range(1, 11)}
    section = section_of(
        record_of(),
        *(record_of(name, training_result(score)) for name, score in scores.items()),
        record_of("broken", training_result(0.4)),
    )
    assert section_panels(section)[0].limit < 5
    path = draw(section, tmp_path / "figure.svg")
    assert "-50" in svg_texts(path)


def test_values_of_one_size_are_not_cut(tmp_path):
    section = section_of(
        record_of(),
        *(record_of(f"t{number}", training_result(0.9 - number / 100)) for number in range(1, 11)),
    )
    assert section_panels(section)[0].limit == pytest.approx(10)


def test_what_is_missing_is_a_dash_and_no_bar(tmp_path):
    section = section_of(
        record_of(),
        record_of("mixup"),
        record_of("radam", diverged_result()),
        record_of(workload="scenes"),
        record_of("radam", workload="scenes"),
    )
    assert [set(panel.bars) for panel in section_panels(section)] == [
        {"mixup"},
        {"mixup"},
        {"radam"},
        {"radam"},
    ]
    path = draw(section, tmp_path / "figure.svg")
    assert svg_texts(path).count(MISSING) == 4


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
    texts = " ".join(svg_texts(draw(section_of(*wide), tmp_path / "wide.svg")))
    assert f"the first {SETS_SHOWN} of {SETS_SHOWN + 1} workloads are shown" in texts
    high = [record_of(), *(record_of(f"t{number:03}") for number in range(ROWS_SHOWN + 1))]
    texts = svg_texts(draw(section_of(*high), tmp_path / "high.svg"))
    assert f"the first {ROWS_SHOWN} of {ROWS_SHOWN + 1} techniques are shown" in texts
    assert sum(text.startswith("T0") for text in texts) == ROWS_SHOWN


def test_without_a_technique_beside_its_baseline_there_is_no_figure(tmp_path):
    assert draw(section_of(record_of()), tmp_path / "figure.svg") is None
    assert draw(section_of(record_of("mixup")), tmp_path / "figure.svg") is None
    assert list(tmp_path.iterdir()) == []


def test_titles_are_no_formulas_and_no_markup(tmp_path):
    titles = [r"$\frac{$", "<script>", "題 \x00 \ud800", "a & b"]
    section = section_of(
        record_of(), *(record_of(f"t{number}", title=title) for number, title in enumerate(titles))
    )
    texts = svg_texts(draw(section, tmp_path / "figure.svg"))
    assert {r"$\frac{$", "<script>", "題", "a & b"} <= set(texts)


def test_the_file_is_the_same_every_time(tmp_path):
    section = section_of(record_of(), record_of("mixup", training_result(0.95)))
    one, other = (draw(section, tmp_path / name).read_bytes() for name in ("one.svg", "other.svg"))
    assert one == other


def test_every_verdict_has_its_color():
    assert set(COLORS) == {"better", "same", "worse", "undecided"}
