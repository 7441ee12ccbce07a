"""The training loop: what it measures, what it tells, and when it stops."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD

from bench_tests.harness.execute.small_run import (
    CPU,
    HALF,
    STEPS_PER_EPOCH,
    Joules,
    generator,
    run,
)
from greenbench.data.images import ResidentImages
from greenbench.data.masks import MaskData
from greenbench.data.views import View
from greenbench.energy import Status
from greenbench.execute.trainer import Trainer
from greenbench.spec.workload import ACCURACY, MIOU, Metric


def test_it_learns(recipe, data):
    result = run(replace(recipe, epochs=20), data)
    assert result.status == "finished"
    assert result.validation["accuracy"] == 1.0
    assert result.curve[-1].train_loss < 0.5 * result.curve[0].train_loss


def test_the_curve_tells_each_epoch(recipe, data):
    result = run(recipe, data)
    steps = STEPS_PER_EPOCH * recipe.epochs
    assert [epoch.epoch for epoch in result.curve] == [1, 2, 3, 4]
    expected = [0.1 * (1 - STEPS_PER_EPOCH * epoch / steps) ** 0.9 for epoch in range(4)]
    assert [epoch.learning_rate for epoch in result.curve] == pytest.approx(expected)
    assert {epoch.image_size for epoch in result.curve} == {(8, 8)}
    assert all(epoch.seconds > 0 for epoch in result.curve)
    assert result.train_seconds == pytest.approx(sum(epoch.seconds for epoch in result.curve))
    assert result.validation == result.curve[-1].validation
    assert set(result.validation) == set(result.train) == {"accuracy", "top5_accuracy"}
    assert result.steps == steps
    assert result.diverged_at_step is None


class Scores:
    """Gives these values, one at each evaluation of validation images."""

    def __init__(self, *values):
        self.values = list(values)

    def update(self, logits, targets):
        pass

    def compute(self):
        return {"loss": self.values.pop(0)}


@pytest.mark.parametrize(("better", "best"), [("higher", (3.0, 2)), ("lower", (1.0, 1))])
def test_the_best_epoch_is_the_first_of_the_best(recipe, data, monkeypatch, better, best):
    scores = Scores(1.0, 3.0, 3.0, 1.0, 0.0)
    monkeypatch.setattr(data, "score", lambda: scores)
    result = run(recipe, data, metric=Metric("loss", "Loss", unit="", better=better))
    assert (result.best, result.best_epoch) == best
    assert result.validation == {"loss": 1.0}
    assert result.train == {"loss": 0.0}


@pytest.mark.parametrize(("every", "evaluated"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])])
def test_the_last_epoch_is_evaluated_and_every_nth(recipe, data, every, evaluated):
    result = run(replace(recipe, epochs=5), data, evaluate_every=every)
    assert [epoch.epoch for epoch in result.curve if epoch.validation is not None] == evaluated
    assert result.validation is not None
    assert result.train is not None


def test_how_often_it_is_evaluated_does_not_change_the_training(recipe, data):
    losses = [
        [epoch.train_loss for epoch in run(recipe, data, evaluate_every=every).curve] for every in (1, 4)
    ]
    assert losses[0] == losses[1]


def test_progress_is_told_after_every_step_with_the_latest_score(recipe, data):
    told = []
    result = run(recipe, data, progress=told.append)
    steps = STEPS_PER_EPOCH * recipe.epochs
    assert [(progress.done, progress.steps) for progress in told] == [(n, steps) for n in range(1, steps + 1)]
    assert told[0].text == "epoch 1/4"
    assert told[-1].text == f"epoch 4/4, Accuracy {result.curve[2].validation['accuracy']:.3f}"


class NotFinite:
    """The cross-entropy, until its step is `at`: then it is `value`."""

    def __init__(self, at, value):
        self._at, self._value, self._step = at, value, 0

    def __call__(self, logits, targets):
        self._step += 1
        loss = F.cross_entropy(logits, targets)
        return loss * self._value if self._step == self._at else loss


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("step", "epochs_run"), [(1, 1), (5, 2), (6, 2), (12, 4)])
def test_a_loss_that_is_not_finite_ends_the_run_without_a_metric(recipe, data, value, step, epochs_run):
    result = run(replace(recipe, loss=partial(NotFinite, step, value)), data)
    assert (result.status, result.diverged_at_step) == ("diverged", step)
    assert result.validation is None
    assert result.train is None
    assert len(result.curve) == epochs_run
    assert result.curve[-1].train_loss is None
    assert result.steps == epochs_run * STEPS_PER_EPOCH
    # Epochs before it keep what was found out.
    assert all(epoch.validation and epoch.train_loss for epoch in result.curve[:-1])


class BrokenGradient(SGD):
    """Takes a step of NaN as its step number `at`: the losses up to it are numbers."""

    def __init__(self, at, network, learning_rate):
        super().__init__(network.parameters(), lr=learning_rate)
        self._left = at

    def step(self, closure=None):
        self._left -= 1
        if self._left == 0:
            self.param_groups[0]["params"][0].grad.fill_(torch.nan)
        return super().step(closure)


@pytest.mark.parametrize(("epoch", "evaluated_before"), [(4, True), (2, True), (1, False)])
def test_weights_that_a_last_step_made_nan_are_no_finished_run(recipe, data, epoch, evaluated_before):
    broken = replace(recipe, optimizer=partial(BrokenGradient, epoch * STEPS_PER_EPOCH))
    result = run(broken, data)
    assert (result.status, result.diverged_at_step) == ("diverged", epoch * STEPS_PER_EPOCH)
    assert result.validation is result.train is result.curve[-1].validation is None
    assert len(result.curve) == epoch
    assert result.curve[-1].train_loss > 0, "its losses were numbers"
    assert (result.best is not None) == evaluated_before


def test_training_and_evaluation_are_measured_apart(recipe, data):
    meter = Joules()
    result = run(recipe, data, meter, evaluate_every=2)
    assert meter.labels == [
        "training at 8x8 px",
        "training at 8x8 px",
        "evaluation 2",
        "training at 8x8 px",
        "training at 8x8 px",
        "evaluation 4",
    ]
    assert result.energy.energy_j == 1 + 2 + 4 + 5
    assert result.evaluation_energy.energy_j == 3 + 6


def test_every_epoch_has_its_own_reading(recipe, data):
    result = run(recipe, data, Joules(), evaluate_every=2)
    assert [epoch.energy.energy_j for epoch in result.curve] == [1, 2, 4, 5]
    assert all(epoch.energy.seconds <= epoch.seconds for epoch in result.curve)


def test_measured_epochs_are_scaled_to_the_run(recipe, data, monkeypatch):
    monkeypatch.setattr("greenbench.execute.train.MEASURED_EPOCHS", 2)
    meter = Joules()
    result = run(replace(recipe, epochs=6), data, meter, training_energy="epochs", evaluate_every=6)
    assert meter.labels == ["training at 8x8 px"] * 2 + ["evaluation 6"]
    assert result.energy.energy_j == pytest.approx((1 + 2) * 6 / 2)
    assert result.energy.scaled_by == 3
    assert "2 of 6 epochs measured" in result.energy.reason
    assert result.evaluation_energy.energy_j == 3
    assert [epoch.energy.energy_j for epoch in result.curve] == [1, 2, None, None, None, None]
    assert "beyond the first 2 epochs" in result.curve[-1].energy.reason


def test_a_run_no_longer_than_what_is_measured_is_not_scaled(recipe, data):
    result = run(recipe, data, Joules(), training_energy="epochs")
    assert result.energy.scaled_by == 1


def test_steady_measures_blocks_of_steps(recipe, data):
    result = run(recipe, data, Joules(), training_energy="steady", evaluate_every=4)
    steps = STEPS_PER_EPOCH * recipe.epochs
    assert f"of {steps} steps measured" in result.energy.reason
    assert result.energy.energy_j > 0


def test_a_diverged_run_costs_what_was_run_not_what_was_planned(recipe, data, monkeypatch):
    monkeypatch.setattr("greenbench.execute.train.MEASURED_EPOCHS", 2)
    recipe = replace(recipe, epochs=10, loss=partial(NotFinite, 3 * STEPS_PER_EPOCH + 1, float("nan")))
    result = run(recipe, data, Joules(), training_energy="epochs", evaluate_every=10)
    assert len(result.curve) == 4
    assert result.energy.energy_j == pytest.approx((1 + 2) * 4 / 2)
    assert "2 of 4 epochs measured" in result.energy.reason
    assert run(recipe, data, Joules(), evaluate_every=10).energy.energy_j == 1 + 2 + 3 + 4
    steady = run(recipe, data, Joules(), training_energy="steady", evaluate_every=10)
    assert "ended before its planned steps" in steady.energy.reason


def test_without_a_meter_there_is_a_reason_and_no_number(recipe, data):
    result = run(recipe, data)
    for reading in (result.energy, result.evaluation_energy, result.curve[0].energy):
        assert reading.energy_j is None
        assert reading.status is Status.NOT_MEASURED
        assert reading.reason == "not measured in this test"


def scenes(count):
    images = torch.randint(0, 256, (count, 3, 64, 64), dtype=torch.uint8, generator=generator(0))
    masks = torch.randint(0, 4, (count, 64, 64), dtype=torch.uint8, generator=generator(1))
    return ResidentImages(images, masks)


@pytest.mark.parametrize("method", ["epochs", "steady"])
def test_images_that_change_size_are_measured_throughout(recipe, monkeypatch, method):
    monkeypatch.setattr("greenbench.execute.train.MEASURED_EPOCHS", 1)
    data = MaskData(
        scenes(4),
        scenes(2),
        crop=(64, 64),
        view=View(base_size=64),
        num_classes=4,
        normalization=HALF,
        version="v",
        device=CPU,
    )
    growing = replace(
        recipe,
        task="segmentation",
        image_size=(64, 64),
        batch_size=2,
        epochs=3,
        network=lambda: nn.Conv2d(3, 4, 1),
        loss=lambda: partial(F.cross_entropy, ignore_index=255),
        size_factor=lambda epoch, epochs: (0.25, 0.5, 1.0)[epoch],
    )
    meter = Joules()
    result = run(growing, data, meter, metric=MIOU, training_energy=method, evaluate_every=3)
    assert [epoch.image_size for epoch in result.curve] == [(16, 16), (32, 32), (64, 64)]
    assert {"miou", "pixel_accuracy"} < set(result.validation)
    sizes = [f"{side}x{side} px" for side in (16, 32, 64)]
    if method == "epochs":
        assert result.energy.energy_j == 1 + 2 + 3
        assert result.energy.scaled_by == 1
        assert meter.labels == [f"training at {size}" for size in sizes] + ["evaluation 3"]
    else:
        assert all(f"training at {size}: 2 of 2 steps measured" in result.energy.reason for size in sizes)


def test_the_metric_is_whichever_the_workload_is_judged_by(recipe, data):
    result = run(replace(recipe, epochs=1), data, metric=replace(ACCURACY, name="top5_accuracy"))
    assert result.best == 1.0


def test_each_split_has_its_own_score(recipe, data, monkeypatch):
    scores = {"validation": 0.5, "train": 0.75}
    monkeypatch.setattr(Trainer, "evaluate", lambda trainer, split: {"accuracy": scores[split]})
    result = run(recipe, data)
    assert (result.validation, result.train) == ({"accuracy": 0.5}, {"accuracy": 0.75})
    assert {entry.validation["accuracy"] for entry in result.curve} == {0.5}
    assert result.best == 0.5


def test_steps_are_measured_under_height_and_width_of_their_images(recipe, data):
    meter = Joules()
    run(replace(recipe, image_size=(8, 6), epochs=1), data, meter, training_energy="steady")
    assert any("training at 8x6 px" in label for label in meter.labels), meter.labels


class Parts:
    """A score with classes; what another score says of its own is none of them."""

    def update(self, logits, targets):
        pass

    def compute(self):
        return {"loss": 0.5, "loss/0": 0.25, "loss/sky": 0.75, "other/0": 1.0}


def test_parts_of_the_score_stay_in_the_last_epoch_alone(recipe, data, monkeypatch):
    monkeypatch.setattr(data, "score", Parts)
    result = run(recipe, data, metric=Metric("loss", "Loss", unit="", better="lower"))
    assert result.validation == result.train == Parts().compute()
    assert [set(epoch.validation) for epoch in result.curve[:-1]] == [{"loss", "other/0"}] * 3
    assert result.curve[-1].validation == result.validation
