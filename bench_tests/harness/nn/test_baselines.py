"""What the baselines train with: SGD and cross-entropy."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from greenbench.nn.baselines import cross_entropy, sgd, sgd_sparing_vectors, valid_cross_entropy


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def groups(optimizer):
    return [
        (group["weight_decay"], {id(parameter) for parameter in group["params"]})
        for group in optimizer.param_groups
    ]


def test_sgd_decays_every_parameter():
    built = network()
    assert groups(sgd(built, 0.1)) == [(5e-4, {id(p) for p in built.parameters()})]


def test_sgd_sparing_vectors_decays_weights_but_neither_norms_nor_biases():
    built = network()
    frozen = built[0].bias.requires_grad_(False)
    spared = {id(built[1].weight), id(built[1].bias), id(built[3].bias)}
    everything = {id(parameter) for parameter in built.parameters()} - {id(frozen)}
    (decay, decayed), (none, kept) = groups(sgd_sparing_vectors(built, 0.1))
    assert (decay, none) == (5e-4, 0)
    assert decayed == everything - spared
    assert kept == spared


def test_both_have_momentum_that_is_not_nesterovs():
    for build in (sgd, sgd_sparing_vectors):
        settings = build(network(), 0.025).defaults
        assert (settings["lr"], settings["momentum"], settings["nesterov"]) == (0.025, 0.9, False)


def test_cross_entropy_leaves_ignored_pixels_out_of_the_mean():
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    targets = torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    targets[0, :2] = 255
    picked = logits.log_softmax(dim=1).gather(1, targets.clamp(max=2)[:, None])[:, 0]
    expected = -picked[targets != 255].mean()
    assert torch.isclose(cross_entropy(255)(logits, targets), expected, rtol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_no_valid_label_is_0_and_teaches_nothing(smoothing):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = valid_cross_entropy(logits, torch.full((2, 4, 4), 255), 255, smoothing)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not logits.grad.any()


def test_cross_entropy_is_torch_s_to_the_last_bit():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    targets = torch.randint(0, 3, (2, 4, 4)).masked_fill(torch.rand(2, 4, 4) < 0.2, 255)
    losses = cross_entropy(255)(logits, targets), F.cross_entropy(logits, targets, ignore_index=255)
    assert torch.equal(*losses)
    assert torch.equal(*(torch.autograd.grad(loss, logits)[0] for loss in losses))


def test_cross_entropy_ignores_nothing_unless_told_to():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    targets = torch.tensor([0, 1, 2, 1])
    expected = -logits.log_softmax(dim=1).gather(1, targets[:, None]).mean()
    assert torch.isclose(cross_entropy()(logits, targets), expected, rtol=1e-12)
