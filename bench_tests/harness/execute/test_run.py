"""A case from its specification to its record: under which conditions it runs, and what is written down."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from greenbench.case import Case
from greenbench.datasets import discover
from greenbench.protocol import find_protocol
from greenbench.recipe import Technique
from greenbench.run import run_case


class Watched(nn.Module):
    """Classifies by a linear map, and notes the precision of convolutions while it does."""

    def __init__(self, seen):
        super().__init__()
        self.layer = nn.Linear(3, 10)
        self.seen = seen

    def forward(self, x):
        self.seen.append(torch.backends.cudnn.allow_tf32)
        return self.layer(x.mean(dim=(2, 3)))


@pytest.fixture
def watched():
    """Return a technique that trains a `Watched` network, and what that notes."""
    seen = []
    technique = Technique(
        name="watched",
        title="Watched",
        category="Architecture Modification",
        citation="this test",
        apply=lambda recipe: replace(recipe, network=lambda: Watched(seen)),
    )
    return technique, seen


def run(kind, technique):
    smoke = find_protocol("smoke")
    protocol = replace(
        smoke,
        epochs={"digits": 1},
        inference=replace(smoke.inference, passes=2, large_batch_passes=2, repeats=1, warmup_s=0.0),
    )
    case = Case(kind, technique.name, technique.source_sha256, "digits", protocol, 0)
    return run_case(
        case,
        technique,
        discover()["digits"],
        data_root=None,
        meter_source="none",
        busy="fail",
        session="test",
    )


@pytest.mark.parametrize("kind", ["training", "inference"])
def test_convolutions_run_in_float32_as_the_protocols_say(kind, watched):
    technique, seen = watched
    default = torch.backends.cudnn.allow_tf32
    run(kind, technique)
    assert len(seen) > 2
    assert set(seen) == {False}
    assert torch.backends.cudnn.allow_tf32 == default, "the process is left as it was"


def test_a_training_record_says_what_was_run_on_which_data(watched):
    technique, _ = watched
    record = run("training", technique)
    splits = discover()["digits"].load(None)
    assert (record.data.train_images, record.data.heldout_images) == (len(splits.train), len(splits.heldout))
    assert record.data.version == splits.version
    assert record.technique.changed_fields == ("network",)
    assert record.key == record.case.key
    assert record.inference is None
    assert len(record.training.curve) == 1
    assert record.training.energy.reason == "no meter was asked for (meter none)"


def test_an_inference_record_reads_no_data(watched):
    technique, _ = watched
    record = run("inference", technique)
    assert record.training is None
    assert record.data.version is None
    assert record.data.train_images is None
    assert [batch.batch_size for batch in record.inference.batches] == [1, 32]
    assert record.inference.params == 3 * 10 + 10
