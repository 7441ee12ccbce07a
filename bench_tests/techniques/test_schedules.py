"""Cyclic and poly learning rates, and image sizes, against their closed forms."""

import math
from dataclasses import replace

import pytest
import torch
from torch.optim import SGD

from greenbench.errors import UserError
from greenbench.networks.bisenet import SMALLEST_SIDE
from greenbench.techniques.cyclic_lr import cyclic_lr
from greenbench.techniques.poly_half_epochs import poly_half_epochs
from greenbench.techniques.progressive_resizing import SMALLEST_SIDE as SMALLEST_TRAINED
from greenbench.techniques.progressive_resizing import GrowingSize, progressive_resizing


def rates(recipe, steps_per_epoch, lr):
    """Return the learning rate of every step of a run."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    schedule = recipe.schedule(optimizer, steps_per_epoch, recipe.epochs)
    found = []
    for _ in range(steps_per_epoch * recipe.epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def triangular2(step, base, top, size):
    cycle = math.floor(1 + step / (2 * size))
    x = abs(step / size - 2 * cycle + 1)
    return base + (top - base) * max(0, 1 - x) / 2 ** (cycle - 1)


@pytest.mark.parametrize(
    ("workload", "epochs", "base", "top", "step_epochs"),
    [
        ("cifar100", 200, 1e-4, 0.01, 20),
        ("tiny_imagenet", 200, 1e-4, 0.01, 20),
        ("cityscapes", 1000, 1e-4, 0.01, 50),
        ("coco_stuff", 60, 4e-5, 4e-3, 3),
    ],
)
def test_cyclic_lr_is_triangular2_with_the_study_s_settings(
    recipes, workload, epochs, base, top, step_epochs
):
    recipe = recipes[workload, "paper"]
    assert recipe.epochs == epochs
    lr = recipe.optimizer(torch.nn.Conv2d(1, 1, 1), recipe.learning_rate).param_groups[0]["lr"]
    found = rates(cyclic_lr(recipe), 3, lr)
    expected = [triangular2(t, base, top, 3 * step_epochs) for t in range(3 * epochs)]
    assert found == pytest.approx(expected, rel=1e-9)


def test_cyclic_peaks_halve_above_the_base(recipes):
    recipe = recipes["cifar100", "paper"]
    found = rates(cyclic_lr(recipe), 1, 0.1)
    assert [found[20], found[60], found[100]] == pytest.approx([0.01, 0.00505, 0.002575])


def test_cyclic_lr_leaves_momentum_alone(recipes):
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    schedule = cyclic_lr(recipes["digits", "smoke"]).schedule(optimizer, 10, 4)
    for _ in range(20):
        optimizer.step()
        schedule.step()
        assert optimizer.param_groups[0]["momentum"] == 0.9


def test_cyclic_lr_is_refused_where_the_study_has_no_cycle(recipes):
    with pytest.raises(UserError, match="applies to classification and segmentation, not to translation"):
        cyclic_lr(replace(recipes["digits", "smoke"], task="translation"))


@pytest.mark.parametrize("workload", ["cifar100", "cityscapes"])
def test_poly_half_epochs_is_poly_over_half_the_run(recipes, workload):
    baseline = recipes[workload, "paper"]
    recipe = poly_half_epochs(baseline)
    assert recipe.epochs == baseline.epochs // 2
    found = rates(recipe, 2, 0.1)
    steps = 2 * recipe.epochs
    assert found == pytest.approx([0.1 * (1 - t / steps) ** 0.9 for t in range(steps)], rel=1e-9)


@pytest.mark.parametrize(("workload", "switch"), [("cityscapes", 250), ("coco_stuff", 15)])
def test_progressive_resizing_doubles_the_side_after_each_quarter(recipes, workload, switch):
    recipe = progressive_resizing(recipes[workload, "paper"])
    factors = [recipe.size_factor(epoch, recipe.epochs) for epoch in range(recipe.epochs)]
    assert factors == [1 / 8] * switch + [1 / 4] * switch + [1 / 2] * switch + [1.0] * switch
    assert sum(f * f for f in factors) / len(factors) == pytest.approx(0.332, abs=5e-4)


def test_no_size_falls_below_what_the_network_takes(recipes):
    assert SMALLEST_TRAINED == SMALLEST_SIDE
    for side in (24, 32, 40, 64, 512):
        recipe = replace(recipes["scenes4", "smoke"], image_size=(side, 2 * side))
        grown = progressive_resizing(recipe)
        factors = [grown.size_factor(epoch, 8) for epoch in range(8)]
        assert factors == sorted(factors)
        assert factors[-1] == 1
        assert min(factors) * side >= min(side, SMALLEST_SIDE)


@pytest.mark.parametrize(("epoch", "epochs"), [(-1, 4), (4, 4), (0, 0)])
def test_epochs_outside_the_run_are_refused(epoch, epochs):
    with pytest.raises(ValueError, match=f"epoch is {epoch}"):
        GrowingSize()(epoch, epochs)
