"""The published tables as data: complete, unedited, and read as the audit finds them."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenbench.audit.findings import Severity
from greenbench.paper.audit import audit_tables
from greenbench.paper.cells import Interpretation, find_cell, published_cells, verdict_against


def test_there_are_342_cells_each_once():
    cells = published_cells()
    assert Counter(cell.table for cell in cells) == {1: 108, 2: 84, 3: 80, 4: 70}
    assert len({cell.name for cell in cells}) == 342


def test_what_is_printed_has_not_been_edited():
    # Compared cell by cell with the paper's text when it was entered; it may never change again.
    text = "\n".join(f"{cell.name} {cell.printed} {cell.unit}" for cell in published_cells())
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "e5491222d9caa0812d95aff453332976e7cf469568e45bb0a8506a2d4b2d7f72"


def test_each_metric_has_one_unit():
    units = {(cell.metric, cell.unit) for cell in published_cells()}
    assert len(units) == len({metric for metric, _ in units})


def test_a_reading_other_than_as_printed_gives_its_reason():
    for cell in published_cells():
        assert bool(cell.why) == (cell.reading != Interpretation.AS_PRINTED), cell.name


def test_only_corrected_and_suspect_cells_are_read_with_another_value():
    for cell in published_cells():
        if cell.reading == Interpretation.AS_PRINTED:
            assert cell.value == float(cell.printed), cell.name


def test_every_doubted_cell_is_named_by_a_finding():
    named = {name for rule in audit_tables() for finding in rule.findings for name in finding.cells}
    doubted = {cell.name for cell in published_cells() if cell.reading != Interpretation.AS_PRINTED}
    assert doubted <= named


def test_every_impossible_finding_has_led_to_a_doubted_cell():
    readings = {cell.name: cell.reading for cell in published_cells()}
    for rule in audit_tables():
        for finding in rule.findings:
            if finding.severity == Severity.IMPOSSIBLE:
                assert any(readings[name] != Interpretation.AS_PRINTED for name in finding.cells)


@pytest.mark.parametrize(
    ("table", "dataset", "technique", "metric", "printed"),
    [
        (1, "coco_stuff", "one_branch", "train_miou", "34.48"),
        (2, "cifar100", "baseline", "train_energy", "2.40"),
        (3, "cityscapes", "blurpool", "energy", "2.892"),
        (4, "tiny_imagenet", "switchnorm", "co2", "100.7"),
    ],
)
def test_cells_are_quoted_digit_by_digit(table, dataset, technique, metric, printed):
    cell = find_cell(published_cells(), dataset, technique, metric)
    assert (cell.table, cell.printed) == (table, printed)


def test_a_cell_that_the_tables_lack_is_none():
    assert find_cell(published_cells(), "cifar100", "one_branch", "params") is None


@pytest.mark.parametrize(
    ("printed", "value", "verdict"),
    [
        ("14.01", 14.007777, "rounds"),
        ("1.93", 1.9395, "truncates"),
        ("25.05", 25.009, "differs"),
        ("0.5", 0.45, "rounds"),
        ("32.0", 31.94, "differs"),
    ],
)
def test_verdicts(printed, value, verdict):
    assert verdict_against(printed, value) == verdict


@given(st.floats(min_value=0.001, max_value=1e4), st.integers(min_value=0, max_value=4))
def test_what_python_prints_of_a_value_never_differs_from_it(value, decimals):
    assert verdict_against(f"{value:.{decimals}f}", value) != "differs"
