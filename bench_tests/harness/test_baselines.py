"""The baseline recipes and what both tasks give to the training loop."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from greenbench.datasets import Splits, discover
from greenbench.data.images import ResidentImages
from greenbench.protocol import PROTOCOLS
from greenbench.tasks import baseline_recipe, evaluated_indices
from greenbench.tasks.classification_data import ClassificationData
from greenbench.tasks.shared import cross_entropy, set_norm_momentum

SMOKE = PROTOCOLS["smoke"]
CPU = torch.device("cpu")


class Sizes:
    """Data of which only the sizes are known."""

    def __init__(self, train, heldout):
        self._sizes = {"train": train, "heldout": heldout}

    def size(self, split):
        return self._sizes[split]


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_evaluated_images_are_all_held_out_ones_and_as_many_evenly_spaced_for_training(train, heldout):
    data = Sizes(train, heldout)
    assert evaluated_indices(data, "heldout") == list(range(heldout))
    chosen = evaluated_indices(data, "train")
    assert len(chosen) == len(set(chosen)) == min(train, heldout)
    assert chosen[0] == 0
    assert chosen[-1] < train
    gaps = {after - before for before, after in pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_every_class_of_a_sorted_training_set_is_evaluated():
    labels = torch.arange(100).repeat_interleave(500)
    chosen = evaluated_indices(Sizes(len(labels), 10_000), "train")
    assert labels[chosen].bincount().tolist() == [100] * 100


def groups(optimizer):
    return [
        (group["weight_decay"], {id(parameter) for parameter in group["params"]})
        for group in optimizer.param_groups
    ]


def test_classification_decays_every_parameter():
    recipe = baseline_recipe(discover()["digits"], SMOKE)
    network = recipe.network()
    assert groups(recipe.optimizer(network)) == [(5e-4, {id(p) for p in network.parameters()})]


def test_segmentation_decays_weights_but_neither_norms_nor_biases():
    recipe = baseline_recipe(discover()["scenes4"], SMOKE)
    network = recipe.network()
    spared = {
        id(parameter)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if name == "bias" or isinstance(module, nn.BatchNorm2d)
    }
    everything = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
    (decay, decayed), (none, kept) = groups(recipe.optimizer(network))
    assert (decay, none) == (5e-4, 0)
    assert decayed == everything - spared
    assert kept == everything & spared


@pytest.mark.parametrize("name", ["cifar100", "cityscapes"])
def test_optimizers_are_sgd_with_momentum_not_nesterov(name):
    recipe = baseline_recipe(discover()[name], PROTOCOLS["short"])
    settings = recipe.optimizer(nn.Linear(2, 2)).defaults
    assert settings["momentum"] == 0.9
    assert not settings["nesterov"]
    assert settings["lr"] == {"cifar100": 0.1, "cityscapes": 0.025}[name]


def test_the_norms_take_the_scales_momentum():
    for name in ("digits", "scenes4"):
        network = baseline_recipe(discover()[name], SMOKE).network()
        momenta = {module.momentum for module in network.modules() if isinstance(module, nn.BatchNorm2d)}
        assert momenta == {SMOKE.norm_momentum}


def test_norm_momentum_is_set_on_all_kinds_of_batch_norm_and_nothing_else():
    network = nn.Sequential(
        nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.Sequential(nn.SyncBatchNorm(2)), nn.GroupNorm(1, 2)
    )
    assert set_norm_momentum(network, 0.42) is network
    assert [network[0].momentum, network[1].momentum, network[2][0].momentum] == [0.42] * 3
    assert not hasattr(network[3], "momentum")


def test_cross_entropy_leaves_ignored_pixels_out_of_the_mean():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    targets = torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    targets[0, :2] = 255
    picked = logits.log_softmax(dim=1).gather(1, targets.clamp(max=2)[:, None])[:, 0]
    expected = -picked[targets != 255].mean()
    assert torch.isclose(cross_entropy(255)(logits, targets), expected, rtol=1e-12)


@pytest.fixture
def digits():
    images = torch.randint(
        0, 256, (10, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    splits = Splits(
        ResidentImages(images[:7], torch.arange(7)), ResidentImages(images[7:], torch.arange(3)), "v"
    )
    return ClassificationData(discover()["digits"], splits, CPU)


def test_an_epoch_shows_every_training_image_once_in_a_new_order(digits):
    source = torch.Generator().manual_seed(0)
    orders = []
    for _ in range(2):
        labels = [targets.tolist() for _, targets in digits.training_batches(3, 1.0, source)]
        assert [len(batch) for batch in labels] == [3, 3, 1]
        assert len(labels) == digits.steps_per_epoch(3)
        orders.append([label for batch in labels for label in batch])
        assert sorted(orders[-1]) == list(range(7))
    assert orders[0] != orders[1]


def test_held_out_images_are_normalized_and_not_augmented(digits):
    ((images, targets),) = digits.evaluation_batches("heldout")
    assert targets.tolist() == [0, 1, 2]
    assert torch.allclose(images, digits._splits["heldout"].images / 127.5 - 1, atol=1e-6)


def test_classification_refuses_smaller_images(digits):
    with pytest.raises(ValueError, match=r"keep their size; got size factor 0\.5"):
        next(digits.training_batches(2, 0.5, torch.Generator()))
