"""Stochastic depth, squeeze-excite and compilation: where they go in a network, and what they compute there."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import SqueezeExcitation, StochasticDepth

from greenbench.errors import NotApplicable
from greenbench.study.catalog import discover
from greenbench.techniques.modern.squeeze_excite import weigh_channels
from greenbench.techniques.modern.stochastic_depth import drop_branches
from greenbench.techniques.modern.torch_compile import torch_compile

CATALOG = discover()
DIGITS = CATALOG.workloads["digits"].recipe("smoke")
SCENES = CATALOG.workloads["scenes4"].recipe("smoke")


def found(network, kind):
    return [module for module in network.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(
    ("build", "blocks"), [(torchvision.models.resnet18, 8), (torchvision.models.resnet50, 16)]
)
def test_the_rate_of_dropping_grows_linearly_to_a_fifth(build, blocks):
    network = build()
    drop_branches(network)
    rates = [module.p for module in found(network, StochasticDepth)]
    assert rates == pytest.approx([0.2 * number / blocks for number in range(1, blocks + 1)])


def test_branches_are_dropped_by_image_in_training_and_whole_in_use():
    torch.manual_seed(0)
    block = torchvision.models.resnet.BasicBlock(4, 4)
    drop_branches(block)
    block.bn2.stochastic_depth.p = 0.5
    images = torch.rand(64, 4, 5, 5)
    block.bn1, block.bn2.norm = nn.Identity(), nn.Identity()
    branch = block.conv2(block.conv1(images).relu())
    out = block(images)
    dropped = [torch.equal(o, i) for o, i in zip(out, images, strict=True)]
    assert 16 < sum(dropped) < 48
    for o, i, b, gone in zip(out, images, branch, dropped, strict=True):
        assert gone or torch.allclose(o, (i + 2 * b).relu(), atol=1e-5)
    torch.testing.assert_close(block.eval()(images), (images + branch).relu())


def test_squeeze_excite_weighs_each_channel_of_the_branch():
    torch.manual_seed(0)
    block = torchvision.models.resnet.Bottleneck(64, 16).eval()
    images = torch.randn(3, 64, 6, 6)
    plain = []
    block.bn3.register_forward_hook(lambda _module, _inputs, output: plain.append(output.clone()))
    weigh_channels(block)
    out = block(images)
    layer = block.bn3.squeeze_excite
    w1, w2 = layer.fc1.weight.flatten(1), layer.fc2.weight.flatten(1)
    squeezed = plain[0].mean((2, 3))
    gate = (((squeezed @ w1.T + layer.fc1.bias).relu()) @ w2.T + layer.fc2.bias).sigmoid()
    torch.testing.assert_close(out, (plain[0] * gate[..., None, None] + images).relu(), rtol=1e-4, atol=1e-5)
    assert w1.shape == (4, 64)


def test_squeeze_excite_adds_two_layers_per_block_to_torchvision_s_resnet_18():
    network = torchvision.models.resnet18()
    before = sum(p.numel() for p in network.parameters())
    weigh_channels(network)
    added = sum(p.numel() for p in network.parameters()) - before
    assert added == 2 * sum(2 * c * (c // 16) + c // 16 + c for c in (64, 128, 256, 512))


@pytest.mark.parametrize("change", [drop_branches, weigh_channels])
def test_a_network_without_residual_blocks_is_skipped_with_a_reason(change):
    with pytest.raises(NotApplicable, match="looked for residual blocks; this Sequential has none"):
        change(nn.Sequential(nn.Conv2d(3, 4, 1)))


@pytest.mark.parametrize(
    "name",
    [
        "squeeze_excite+stochastic_depth",
        "stochastic_depth+squeeze_excite",
        "stochastic_depth+ge_theta",
        "ge_theta+squeeze_excite",
        "switchnorm+squeeze_excite",
        "spatial_bottleneck+stochastic_depth",
    ],
)
def test_the_layers_of_one_branch_stand_one_after_the_other(name):
    network = CATALOG.technique(name)(SCENES).network()
    assert len(found(network, StochasticDepth)) == 4 * ("stochastic" in name)
    assert len(found(network, SqueezeExcitation)) == 4 * ("squeeze" in name)
    network(torch.randn(2, 3, *SCENES.image_size)).sum().backward()


def test_a_network_compiles_itself_and_its_copies_do_not():
    recipe = torch_compile(DIGITS)
    assert recipe.warm_up
    network = recipe.network()
    assert network._compiled_call_impl is not None
    assert copy.deepcopy(network)._compiled_call_impl is None
    assert network.state_dict().keys() == DIGITS.network().state_dict().keys()
