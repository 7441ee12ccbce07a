"""What is no number, and what is nothing: weights, outputs, batches and splits, from the step to the record."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from bench_tests.harness.execute.small_run import (
    CPU,
    HALF,
    SQUARES,
    STEPS_PER_EPOCH,
    TINY,
    generator,
    network,
    run,
)
from greenbench.data.images import ResidentImages
from greenbench.data.masks import MaskData
from greenbench.data.views import View
from greenbench.errors import UserError
from greenbench.execute.run import Bench, run_case
from greenbench.execute.trainer import Trainer
from greenbench.nn.baselines import cross_entropy
from greenbench.nn.losses.focal import focal
from greenbench.nn.losses.label_relaxation import label_relaxation
from greenbench.nn.losses.soft_dice import soft_dice
from greenbench.nn.losses.upsample_cross_entropy import upsample_cross_entropy
from greenbench.records.folder import RecordFolder, read_record
from greenbench.spec.case import case_of
from greenbench.spec.source import Source
from greenbench.spec.technique import technique
from greenbench.spec.workload import MIOU


@technique("Optimizer", "Somebody 2020")
def longer(recipe):
    """Longer: trains for one epoch more."""
    return replace(recipe, epochs=recipe.epochs + 1)


longer = replace(longer, source=Source("longer.py", "the code", "d" * 64))


def replaced(recipe, outputs):
    """Return the recipe with a network whose outputs are changed."""

    class Changed(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()

        def forward(self, x):
            return outputs(self.body(x))

    return replace(recipe, network=Changed)


def test_weights_of_nan_have_no_score_even_if_the_outputs_are_numbers(recipe, data):
    trainer = Trainer(replaced(recipe, torch.nan_to_num), data, seed=0, device=CPU)
    assert trainer.evaluate("train") is not None
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(torch.nan)
    assert trainer.evaluate("train") is None


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_outputs_that_name_no_class_have_no_score(recipe, data, bad):
    result = run(replaced(recipe, lambda y: y if y.requires_grad else torch.full_like(y, bad)), data)
    assert (result.status, result.diverged_at_step) == ("diverged", STEPS_PER_EPOCH)
    assert result.validation is None


def masks(train, validation):
    """Return data of 64x64 px with masks of one value in each split."""

    def images(value):
        return ResidentImages(
            torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8, generator=generator(0)),
            torch.full((4, 64, 64), value, dtype=torch.uint8),
        )

    return MaskData(
        images(train), images(validation), crop=(64, 64), view=View(base_size=64), num_classes=4,
        normalization=HALF, version="v", device=CPU,
    )  # fmt: skip


LOSSES_OF_MASKS = {
    "cross_entropy": cross_entropy(255),
    "focal": partial(focal, ignore_index=255),
    "soft_dice": partial(soft_dice, ignore_index=255),
    "label_relaxation": partial(label_relaxation, ignore_index=255),
    "upsample_cross_entropy": partial(upsample_cross_entropy, ignore_index=255),
}


def of_masks(recipe, loss=LOSSES_OF_MASKS["cross_entropy"]):
    return replace(
        recipe, task="segmentation", image_size=(64, 64), batch_size=2, epochs=1,
        network=lambda: nn.Conv2d(3, 4, 1), loss=lambda: loss,
    )  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES_OF_MASKS.values(), ids=LOSSES_OF_MASKS)
def test_batches_without_a_valid_label_teach_nothing_and_end_no_run(recipe, loss):
    data = masks(train=255, validation=0)
    trainer = Trainer(of_masks(recipe, loss), data, seed=0, device=CPU)
    before = copy.deepcopy(trainer.network.state_dict())
    assert [float(value) for value in trainer.remaining_steps()] == [0.0, 0.0]
    assert all(torch.equal(before[name], value) for name, value in trainer.network.state_dict().items())
    assert trainer.evaluate("validation")["pixel_accuracy"] >= 0


@pytest.mark.parametrize(("train", "validation", "split"), [(0, 255, "validation"), (255, 0, "train")])
def test_a_split_without_a_valid_label_is_named(recipe, train, validation, split):
    with pytest.raises(UserError, match=f"miou of the {split} images is nan") as refused:
        run(of_masks(recipe), masks(train, validation), metric=MIOU)
    assert "any target" in refused.value.next_step


def test_a_run_whose_split_has_no_valid_label_leaves_a_record(tmp_path):
    workload = replace(
        SQUARES,
        task="segmentation",
        metric=MIOU,
        ignore_index=255,
        data=lambda root, device: masks(train=0, validation=255),
        network=lambda *_: nn.Conv2d(3, 4, 1),
        num_classes=4,
        image_size=(64, 64),
        best_known={"miou": 1.0},
    )
    record = run_case(
        case_of("training", longer, workload, TINY, 0), longer, workload, Bench(meter="none", session="test")
    )
    assert record.result.stage == "training"
    assert "miou of the validation images is nan" in record.result.error
    assert "any target" in record.result.next_step
    assert read_record(RecordFolder(tmp_path).write(record)) == record
