"""Tolerances from the published tables: the shipped ones are these, and some by hand."""

import pytest

from greenbench.paper.bounds import published_bounds
from greenbench.verdict.tolerances import load_tolerances

FOUND = published_bounds({row.quantity for row in load_tolerances()})
BY_PLACE = {(r.scale, r.quantity, r.technique, r.workload): r.allowed_drop or r.allowed_ratio for r in FOUND}


def test_the_shipped_rows_of_these_scales_are_those_of_the_command():
    scales = {row.scale for row in FOUND}
    shipped = {row for row in load_tolerances() if row.scale in scales}
    assert shipped == set(FOUND)


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        (("paper", "score", "cyclic_lr", "cifar100"), 0.7865 - 0.7408 + 0.02),
        (("paper", "score", None, "cityscapes"), 0.02),
        (("paper", "params", None, None), 1.1),
        (("short", "score", None, None), 0.8715 - 0.7465 + 0.02),
    ],
)
def test_some_by_hand(place, allowed):
    assert BY_PLACE[place] == pytest.approx(allowed)


def test_costs_are_the_largest_ratio_of_any_table_and_a_tenth():
    assert 3.85 <= BY_PLACE["paper", "latency_ms", "switchnorm", None] <= 3.86
    assert BY_PLACE["short", "latency_ms", None, None] == BY_PLACE["paper", "latency_ms", "switchnorm", None]
