"""The speedrun's network: shapes, parameters, and what it refuses."""

import pytest
import torch
from torch import nn

from greenbench.execute.counts import count
from greenbench.networks.resnet9 import LOGIT_SCALE, WIDTHS, ResNet9
from greenbench.networks.surgery import blocks_of, residual_network_of


def parameters_by_hand(classes, stem, first, second, third):
    def convolution(channels, planes):  # with its norm
        return 9 * channels * planes + 2 * planes

    stages = convolution(stem, first) + convolution(first, second) + convolution(second, third)
    blocks = 2 * convolution(first, first) + 2 * convolution(third, third)
    return convolution(3, stem) + stages + blocks + third * classes


def test_its_parameters_and_operations_are_those_counted_by_hand():
    with torch.device("meta"):
        found = count(ResNet9(100), (1, 3, 32, 32))
    assert found.params == parameters_by_hand(100, *WIDTHS) == 3_734_064
    stem, first, second, third = WIDTHS
    maps = {16: 3 * stem + stem * first, 8: 2 * first**2 + first * second, 4: second * third, 2: 2 * third**2}
    assert found.conv_macs == sum(9 * side**2 * products for side, products in maps.items())


@pytest.mark.parametrize(("stride", "sides"), [(1, (16, 8, 4)), (2, (8, 4, 2))])
def test_each_stage_halves_the_maps(stride, sides):
    network = ResNet9(7, width=0.125, stem_stride=stride).eval()
    found = []
    for name in ("layer1", "layer2", "layer3"):
        network.get_submodule(name).register_forward_hook(lambda *call: found.append(call[-1].shape[2:]))
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 7)
    assert found == [(side, side) for side in sides]


@pytest.mark.parametrize(("stride", "smallest"), [(1, 8), (2, 16)])
def test_the_smallest_image_works_and_a_smaller_one_is_refused_with_both_sizes(stride, smallest):
    network = ResNet9(7, width=0.125, stem_stride=stride).eval()
    assert network(torch.randn(1, 3, smallest, smallest + 5)).isfinite().all()
    with pytest.raises(ValueError, match=rf"{smallest - 1}x64 px.*at least {smallest} px"):
        network(torch.randn(1, 3, smallest - 1, 64))


def test_logits_are_scaled_maxima():
    network = ResNet9(7, width=0.125).eval()
    maps = []
    network.layer3.register_forward_hook(lambda *call: maps.append(call[-1]))
    logits = network(torch.randn(2, 3, 32, 32))
    expected = maps[0].amax((2, 3)) @ network.fc.weight.T * LOGIT_SCALE
    torch.testing.assert_close(logits, expected)


def test_techniques_find_its_stages_and_blocks():
    network = ResNet9(7, width=0.125, norm_momentum=0.3)
    assert residual_network_of(network) is network
    assert blocks_of(network) == [network.layer1[-1], network.layer3[-1]]
    assert {norm.momentum for norm in network.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.3}
