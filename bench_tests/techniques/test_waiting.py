"""No step of any technique makes the host wait for the device, on a device that shows it."""

from contextlib import suppress
from dataclasses import replace
from functools import cache, partial

import pytest
import torch

from bench_tests.elsewhere import ELSEWHERE, HostWaits, elsewhere, no_waiting
from bench_tests.made_data import OneByOne
from bench_tests.techniques import contract
from greenbench.data import masks as masks_module
from greenbench.data.augmentation import Augmentation
from greenbench.data.images import ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.masks import MaskData
from greenbench.data.normalization import Normalization
from greenbench.data.views import View
from greenbench.errors import NotApplicable
from greenbench.execute.trainer import Trainer
from greenbench.nn.baselines import cross_entropy
from greenbench.nn.losses.focal import focal
from greenbench.nn.losses.label_relaxation import label_relaxation
from greenbench.nn.losses.mixup_loss import mixup_loss
from greenbench.nn.losses.soft_dice import soft_dice
from greenbench.nn.losses.upsample_cross_entropy import upsample_cross_entropy
from greenbench.spec.mode import MODES, PAPER
from greenbench.spec.recipe import plain_gradients
from greenbench.study.catalog import discover

CATALOG = discover()
WORKLOADS = {"classification": "digits", "segmentation": "scenes4"}
IMAGES = contract.BATCH * contract.STEPS_PER_EPOCH

pytestmark = pytest.mark.usefixtures("_no_compiler")


def cases():
    """Return every technique on every task of its, in every mode; in all but the study's, mixup stands for the others."""
    return [
        pytest.param(
            technique.name,
            task,
            mode,
            id=f"{technique.name}-{task}" + ("" if mode is PAPER else f"-{mode.name}"),
            marks=[pytest.mark.slow]
            if (technique.collection != "paper" and task == "segmentation")
            or (mode is not PAPER and technique.name != "mixup")
            else [],
        )
        for technique in CATALOG.techniques.values()
        for task in WORKLOADS
        if technique.applies_to(task)
        for mode in MODES.values()
    ]


@cache
def baseline(task):
    return contract.small(CATALOG.workloads[WORKLOADS[task]])


def data(recipe, device=ELSEWHERE, masks=ResidentImages):
    """Return the suite's own batches of random images, augmented in all ways."""
    draws = torch.Generator().manual_seed(0)
    size = recipe.image_size
    images = torch.randint(256, (IMAGES, 3, *size), dtype=torch.uint8, generator=draws)
    shape = (IMAGES,) if recipe.task == "classification" else (IMAGES, *size)
    targets = torch.randint(recipe.num_classes, shape, generator=draws)
    common = {"normalization": Normalization(), "version": "random", "device": device}
    if recipe.task == "classification":
        split = ResidentImages(images, targets)
        augmentation = Augmentation(padding=1, flip=True, rotation_degrees=15)
        return LabelData(split, split, augmentation=augmentation, **common)
    split = masks(images, targets.byte())
    view = View(
        base_size=min(size), scale_range=(0.8, 1.2), color_jitter=0.2, ignore_index=recipe.ignore_index
    )
    return MaskData(split, split, crop=size, view=view, num_classes=recipe.num_classes, **common)


def train_without_waiting(recipe, mode=PAPER):
    """Take a step for what is made once, and two in which nothing may wait: the end of an epoch and the next."""
    with elsewhere():
        steps = Trainer(recipe, data(recipe), seed=0, device=ELSEWHERE, mode=mode).remaining_steps()
        losses = [next(steps)]
        with no_waiting():
            losses += [next(steps), next(steps)]
        assert all(loss.here.isfinite() for loss in losses)


@pytest.mark.parametrize(("technique", "task", "mode"), cases())
def test_a_step_does_not_make_the_host_wait(technique, task, mode):
    try:
        train_without_waiting(CATALOG.techniques[technique](baseline(task)), mode)
    except NotApplicable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("task", WORKLOADS)
def test_an_evaluation_waits_for_nothing_before_its_end(task):
    """The score is read once, however many batches there are."""
    recipe = baseline(task)
    with elsewhere():
        batches, score = data(recipe), data(recipe).score()
        trainer = Trainer(recipe, batches, seed=0, device=ELSEWHERE)
        evaluated = list(batches.evaluation_batches("validation")) * 3
        network = trainer.network.eval()
        with no_waiting(), torch.no_grad():
            for inputs, targets in evaluated:
                score.update(network(batches.normalize(inputs)), targets)
        assert all(0 <= value <= 1 for value in score.compute().values())


LOSSES = {
    "cross_entropy": cross_entropy(255),
    "focal": partial(focal, ignore_index=255),
    "label_relaxation": partial(label_relaxation, ignore_index=255),
    "mixup_loss": lambda logits, targets: mixup_loss(logits, targets, targets.flip(0), 0.3, 255),
    "soft_dice": partial(soft_dice, ignore_index=255),
    "upsample_cross_entropy": lambda logits, targets: upsample_cross_entropy(
        logits[..., ::2, ::2], targets, 255
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_and_its_gradient_do_not_wait(loss):
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 6, 8, generator=draws).requires_grad_()
    targets = torch.randint(5, (2, 6, 8), generator=draws)
    targets[0, :2] = 255
    here = LOSSES[loss](logits, targets)
    here.backward()
    with elsewhere():
        sent = logits.detach().to(ELSEWHERE).requires_grad_(), targets.to(ELSEWHERE)
        LOSSES[loss](*sent)  # makes what is kept
        with no_waiting():
            there = LOSSES[loss](*sent)
            there.backward()
        torch.testing.assert_close(there.detach().here, here.detach())
        torch.testing.assert_close(sent[0].grad.here, logits.grad)


def test_images_evaluated_together_score_what_they_score_one_by_one(monkeypatch):
    monkeypatch.setattr(masks_module, "usable_workers", lambda: 0)
    recipe, cpu = baseline("segmentation"), torch.device("cpu")
    one_by_one = data(recipe, cpu, OneByOne)
    here = Trainer(recipe, one_by_one, seed=0, device=cpu).evaluate("validation")
    assert [len(images) for images, _ in one_by_one.evaluation_batches("validation")] == [1] * IMAGES
    with elsewhere():
        together = data(recipe, masks=OneByOne)
        there = Trainer(recipe, together, seed=0, device=ELSEWHERE).evaluate("validation")
        assert [len(images) for images, _ in together.evaluation_batches("validation")] == [IMAGES]
    assert there == here


def waits(change):
    """Return a recipe that does something to its loss after each backward pass."""

    def gradients(trainer, inputs, targets):
        loss = plain_gradients(trainer, inputs, targets)
        change(loss.detach())
        return loss

    return replace(baseline("classification"), gradients=gradients)


WAITING = {
    "a number": lambda loss: loss.item(),
    "a float": float,
    "a copy": lambda loss: loss.cpu(),
    "a question": lambda loss: bool(loss > 0),
    "a comparison": lambda loss: torch.equal(loss, loss),
    "a list": lambda loss: loss.tolist(),
    "places": lambda loss: loss.expand(3).nonzero(),
    "a mask": lambda loss: loss.expand(3)[loss.expand(3) > 0],
    "a mask that is filled": lambda loss: loss.repeat(3).__setitem__(loss.expand(3) > 0, loss.expand(3)),
    "different values": lambda loss: loss.expand(3).unique(),
    "a histogram": lambda loss: torch.bincount(loss.expand(3).long()),
    "places from the host": lambda loss: loss.expand(3)[torch.tensor([0, 2])],
    "numbers from the host": lambda loss: torch.tensor([1.0, 2.0], device=loss.device),
    "a tensor like it": lambda loss: loss.new_tensor([1.0, 2.0]),
    "values from the host": lambda loss: torch.ones(2).to(loss.device),
    "values written there": lambda loss: loss.repeat(2).copy_(torch.ones(2)),
    "what was caught": lambda loss: _caught(loss.item),
}


def _caught(read):
    with suppress(HostWaits):
        read()


@pytest.mark.parametrize("what", WAITING)
def test_what_waits_is_found(what):
    with pytest.raises(
        AssertionError, match=r"reads values|counts its places|places from the host|host and device"
    ):
        train_without_waiting(waits(WAITING[what]))


def test_what_is_only_queued_is_not_refused():
    train_without_waiting(
        waits(
            lambda loss: (
                torch.ones(2)
                .to(loss.device, non_blocking=True)
                .mul_(loss)
                .index_select(0, loss.long()[None] * 0)
            )
        )
    )


@pytest.mark.parametrize("task", WORKLOADS)
def test_a_training_there_gives_what_one_on_the_cpu_gives(task):
    recipe, cpu = baseline(task), torch.device("cpu")
    here = list(Trainer(recipe, data(recipe, cpu), seed=0, device=cpu).remaining_steps())
    with elsewhere():
        there = [
            loss.here for loss in Trainer(recipe, data(recipe), seed=0, device=ELSEWHERE).remaining_steps()
        ]
    assert torch.equal(torch.stack(there), torch.stack(here))
