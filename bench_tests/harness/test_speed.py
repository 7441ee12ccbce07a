"""The comparisons of speed: each runs, at a tiny size, and says whether it reached what it aims at."""

from __future__ import annotations

import pytest

from bench_tests.speed import engine, inputs, traffic
from bench_tests.speed.__main__ import tables
from bench_tests.speed.contest import Contest, Target, compare

TINY = {
    "cifar_input": (inputs.cifar_input, {"images": 256}),
    "cityscapes_input": (inputs.cityscapes_input, {"images": 2, "height": 64}),
    "engine": (engine.engine, {"batch_size": 480}),
    "fast_step": (engine.fast_step, {"images": 8, "width": 0.0625}),
    "segmentation_step": (engine.segmentation_step, {"side": 64, "classes": 5, "images": 2, "width": 0.0625}),
    "augmentation_traffic": (traffic.augmentation_traffic, {"images": 64}),
    "loss_traffic": (traffic.loss_traffic, {"images": 1, "classes": 4, "side": 16}),
}


@pytest.mark.parametrize("name", TINY)
def test_a_contest_runs_and_its_results_are_the_same(name, monkeypatch):
    monkeypatch.setenv("GREENBENCH_CACHE", "off")
    prepare, sizes = TINY[name]
    contest = prepare(**sizes)
    assert contest.difference() <= contest.tolerance
    for run in (contest.ours, contest.peer, contest.floor):
        run()


def test_the_engine_s_loop_and_the_one_by_hand_do_the_same():
    assert engine.engine(batch_size=480).difference() == 0


def test_every_contest_with_a_size_is_tried():
    assert {name for module in (engine, inputs, traffic) for name in module.CONTESTS} == {*TINY}


def row(**target):
    aims = Target(**target)
    return compare(
        "nothing",
        Contest(*3 * [lambda: None], "a peer", "a floor", lambda: 0.0, repeats=2, items=100, target=aims),
    )


def test_a_target_stands_beside_what_was_reached():
    assert "target" not in row()
    assert row(per_s=1)["reached"] is True
    missed = row(speedup=1e9, per_s=1)
    assert missed["reached"] is False
    assert missed["target"] == "speedup at least 1e+09, per_s at least 1"
    assert row(over_floor=1e-9)["reached"] is False
    (table,) = tables([missed])
    assert "target" in table
    assert max(map(len, table.splitlines())) <= 100
