"""A study in parts: what each runs, and what is made of their records."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenbench.errors import UserError
from greenbench.spec.scale import SCALES
from greenbench.spec.technique import BASELINE
from greenbench.study.catalog import discover
from greenbench.study.locking import reserved
from greenbench.study.plan import plan
from greenbench.study.shards import Shard, deal, in_shard, read_shard

CATALOG = discover()
PAIRS = {
    scale: plan(
        "training",
        map(CATALOG.technique, CATALOG.default),
        CATALOG.workloads.values(),
        SCALES[scale],
        3,
        lambda *_: ("network",),
    )
    for scale in ("smoke", "paper")
}
INFERENCE = [tuple(replace(case, kind="inference") for case in pair) for pair in PAIRS["paper"]]


def pixels(pair):
    workload = CATALOG.workloads[pair[0].workload]
    height, width = workload.image_size
    setting = workload.settings[pair[0].scale]
    return len(pair) * setting.epochs * (workload.train_images or 10_000) * height * width


def load(pairs):
    """Return what a part takes, its baselines with it."""
    opened = {pair[0].workload: pixels(pair) for pair in pairs}
    return sum(pixels(pair) for pair in pairs if pair[0].technique != BASELINE) + sum(opened.values())


@given(scale=st.sampled_from(sorted(PAIRS)), parts=st.integers(1, 40), order=st.randoms())
def test_every_pair_is_in_one_part_whatever_the_order(scale, parts, order):
    pairs = PAIRS[scale]
    dealt = deal(pairs, CATALOG.workloads, parts)
    assert sorted(pair[0].id for part in dealt for pair in part) == sorted(pair[0].id for pair in pairs)
    shuffled = order.sample(pairs, len(pairs))
    again = deal(shuffled, CATALOG.workloads, parts)
    assert [{pair[0].id for pair in part} for part in dealt] == [{pair[0].id for pair in p} for p in again]


@pytest.mark.parametrize("parts", [2, 3, 4, 8])
def test_the_parts_of_the_study_take_alike(parts):
    loads = [load(part) for part in deal(PAIRS["paper"], CATALOG.workloads, parts)]
    longest = max(map(pixels, PAIRS["paper"]))
    assert max(loads) - min(loads) <= 2 * longest
    whole = load(PAIRS["paper"]) + (parts - 1) * sum(
        pixels(pair) for pair in PAIRS["paper"] if pair[0].technique == BASELINE
    )
    assert max(loads) <= whole / parts + 2 * longest


def test_no_baseline_is_run_where_nothing_is_compared_with_it():
    for part in deal(PAIRS["smoke"], CATALOG.workloads, 5):
        baselines = {pair[0].workload for pair in part if pair[0].technique == BASELINE}
        assert baselines <= {pair[0].workload for pair in part if pair[0].technique != BASELINE}


def test_kinds_are_dealt_out_on_their_own():
    pairs = [*PAIRS["paper"], *INFERENCE]
    ours = in_shard(pairs, CATALOG.workloads, Shard(2, 3))
    expected = deal(PAIRS["paper"], CATALOG.workloads, 3)[1] + deal(INFERENCE, CATALOG.workloads, 3)[1]
    assert ours == expected


@pytest.mark.parametrize("text", ["3/2", "0/2", "1", "1/0", "a/b", "", "-1/2", "1/2/3", "1/9999", "١/٢"])
def test_a_part_that_makes_no_sense_is_refused_in_words(text):
    with pytest.raises(
        UserError, match=r"--green-shard is .*; give a part and the number of parts, 1/4 to 4/4"
    ):
        read_shard(text)


def test_a_part_is_read():
    assert read_shard(" 2/4 ") == Shard(2, 4)


def test_two_runs_do_not_share_a_folder(tmp_path):
    words = r"another run \(process \d+ on .+\) writes to .*--green-out"
    with reserved(tmp_path), pytest.raises(UserError, match=words), reserved(tmp_path):
        pass
    with reserved(tmp_path):
        pass
