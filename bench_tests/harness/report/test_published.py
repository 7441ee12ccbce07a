"""The study's own figures: the numbers of its tables, and what they say of a correlation."""

import pytest
from scipy import stats

from bench_tests.harness.report.svg import svg_texts
from greenbench.cli import main
from greenbench.paper.cells import find_cell, published_cells
from greenbench.report.figures.published import published_figures, published_scatters


def test_every_point_is_a_cell_of_the_tables():
    plots = [plot for plot, _ in published_scatters()]
    assert {plot.number for plot in plots} == {2, 3, 4, 5, 6, 7}
    plot = next(plot for plot in plots if plot.number == 2 and plot.workload == "Cityscapes")
    assert len(plot.dots) == 18
    mixup = next(dot for dot in plot.dots if dot.technique == "mixup")
    assert mixup.x == find_cell(published_cells(), "cityscapes", "mixup", "train_energy").value
    assert mixup.y == find_cell(published_cells(), "cityscapes", "mixup", "val_miou").value
    assert {dot.technique for dot in plot.dots} >= {"baseline", "one_branch", "soft_dice"}


def test_correlations_are_scipy_s_and_none_of_score_and_energy_is_shown():
    for plot, scatter in published_scatters():
        found = scatter.correlation
        expected = stats.spearmanr([dot.x for dot in plot.dots], [dot.y for dot in plot.dots]).statistic
        assert found.rho == pytest.approx(expected)
        if plot.number in (2, 4):
            assert found.low < 0 < found.high


def test_the_figures_name_techniques_and_correlations(tmp_path):
    figures = [*published_figures()]
    assert [figure.name for figure in figures] == [f"published-{number}" for number in range(2, 8)]
    texts = svg_texts(figures[0], tmp_path)
    assert {"Cityscapes", "COCO-Stuff", "Baseline", "Prog. Resize"} <= set(texts)
    assert "suspect" in figures[3].caption or "corrected" in figures[3].caption


def test_the_command_prints_them_within_80_columns_and_draws(tmp_path, capsys):
    assert main(["paper", "--figures", str(tmp_path / "new")]) == 0
    printed = capsys.readouterr().out.splitlines()
    table = [line for line in printed if not line.startswith(str(tmp_path))]
    assert max(map(len, table)) <= 80
    assert any("-0.22 (-0.63 to 0.28)" in line for line in table)
    assert len(list((tmp_path / "new").glob("*.svg"))) == 6


def test_wrong_input_ends_in_a_sentence(tmp_path, capsys):
    assert main(["paper", "--png"]) == 2
    assert "--figures DIR" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["paper", "--figures", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
