"""Counting: numbers derived by hand, and two counters that agree."""

import pytest
import torch
from torch import nn

from greenbench.errors import UserError
from greenbench.execute.counts import count
from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta
from greenbench.nn.layers.spatial_bottleneck import SpatialBottleneck2d
from greenbench.paper.setups import ARCHITECTURES
from greenbench.study.catalog import discover

# Each derived by hand: outputs x kernel x inputs per output.
BY_HAND = [
    # 3 -> 8, 3x3, 10x12 kept: 120 positions x 8 x 27; the study adds one per output for the bias.
    ("convolution", nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 12), 224, 120 * 8 * 27 + 960, 120 * 8 * 27),
    # Stride 2 on odd sides: ceil(9 / 2) x ceil(7 / 2) = 5 x 4.
    ("strided", nn.Conv2d(2, 4, 3, 2, 1, bias=False), (1, 2, 9, 7), 72, 20 * 4 * 18, 20 * 4 * 18),
    ("grouped", nn.Conv2d(4, 4, 3, groups=4, bias=False), (1, 4, 5, 5), 36, 9 * 4 * 9, 9 * 4 * 9),
    ("batch of 3", nn.Conv2d(1, 1, 1, bias=False), (3, 1, 2, 2), 1, 12, 12),
    # A transposed convolution multiplies once for each input position and weight.
    ("transposed", nn.ConvTranspose2d(2, 3, 3, 2, 1, 1, bias=False), (1, 2, 4, 4), 54, 0, 16 * 54),
    ("linear", nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (1, 3, 2, 2), 65, 0, 60),
    ("fixed blur", BlurPool2d(3), (1, 3, 8, 8), 0, 0, 3 * 16 * 25),
    ("coordinates", CoordConv2d(3, 4, 3, padding=1, bias=False), (1, 3, 6, 6), 216, 36 * 216, 36 * 216),
    # Kernel over the whole map, and a batch norm of 5 channels.
    ("gather", GatherExciteTheta(5, (4, 6)), (1, 5, 4, 6), 130, 120, 120),
    # 3x3 from 4 to 2 on a quarter of 8x8, and back.
    ("bottleneck", SpatialBottleneck2d(4), (1, 4, 8, 8), 144, 16 * 72, 16 * 72 + 16 * 72),
    ("norm and pooling", nn.Sequential(nn.BatchNorm2d(3), nn.AvgPool2d(2)), (1, 3, 4, 4), 6, 0, 0),
]  # fmt: skip


@pytest.mark.parametrize("counter", ["torch", "fvcore"])
@pytest.mark.parametrize(
    ("layer", "shape", "params", "conv_macs", "full_macs"),
    [case[1:] for case in BY_HAND],
    ids=[case[0] for case in BY_HAND],
)
def test_counts_are_those_derived_by_hand(layer, shape, params, conv_macs, full_macs, counter):
    found = count(layer, shape, counter)
    assert (found.params, found.conv_macs, found.full_macs) == (params, conv_macs, full_macs)


def test_counting_leaves_the_network_as_it_is():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), BlurPool2d(4)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    count(network, (1, 3, 9, 9))
    assert network.training
    assert not network[0]._forward_hooks
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_layer_that_runs_twice_counts_twice():
    layer = nn.Conv2d(2, 2, 1, bias=False)
    assert count(nn.Sequential(layer, layer), (1, 2, 3, 3)).full_macs == 2 * 9 * 4


def test_an_unused_layer_counts_parameters_alone():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 7, 1, bias=False)

        def forward(self, x):
            return self.used(x)

    found = count(Idle(), (1, 1, 2, 2))
    assert (found.params, found.full_macs) == (8, 4)


def test_an_unknown_counter_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="'abacus' is unknown; choose one of torch, fvcore"):
        count(nn.Identity(), (1, 3, 2, 2), "abacus")


@pytest.mark.parametrize(
    ("technique", "workload"),
    [(name, "scenes4") for name in ARCHITECTURES]
    + [(name, "digits") for name in ARCHITECTURES if name != "one_branch"],
)
def test_both_counters_agree_on_every_variant(technique, workload):
    catalog = discover()
    recipe = catalog.technique(technique)(catalog.workloads[workload].recipe("smoke"))
    network, shape = recipe.network(), (1, 3, *recipe.image_size)
    assert count(network, shape, "torch") == count(network, shape, "fvcore")
