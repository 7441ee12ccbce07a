"""The momentum of the norms' running averages, which short runs set."""

import pytest
from torch import nn

from greenbench.networks.bisenet import BiSeNet
from greenbench.networks.resnet import resnet50, set_norm_momentum


@pytest.mark.parametrize(("build", "width"), [(resnet50, 0.1), (BiSeNet, 0.1)])
def test_the_networks_take_a_momentum_for_all_their_norms(build, width):
    for given, expected in (({}, 0.1), ({"norm_momentum": 0.3}, 0.3)):
        network = build(4, width=width, **given)
        momenta = {module.momentum for module in network.modules() if isinstance(module, nn.BatchNorm2d)}
        assert momenta == {expected}


def test_it_is_set_on_all_kinds_of_batch_norm_and_nothing_else():
    network = nn.Sequential(
        nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.Sequential(nn.SyncBatchNorm(2)), nn.GroupNorm(1, 2)
    )
    set_norm_momentum(network, 0.42)
    assert [network[0].momentum, network[1].momentum, network[2][0].momentum] == [0.42] * 3
    assert not hasattr(network[3], "momentum")
