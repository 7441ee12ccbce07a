"""Gather-excite against the depthwise convolution that it stands for."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus

shapes = st.tuples(st.integers(2, 4), st.integers(1, 4), st.integers(1, 7), st.integers(1, 7))
layouts = st.sampled_from([torch.contiguous_format, torch.channels_last])


def as_convolution(x, layer):
    gathered = F.conv2d(x, layer.weight, groups=layer.channels)
    gate = F.batch_norm(
        gathered, None, None, layer.norm.weight, layer.norm.bias, training=True, eps=layer.norm.eps
    ).sigmoid()
    return x + x * gate if layer.residual else x * gate


@settings(deadline=None, max_examples=40)
@given(shapes, layouts, st.booleans(), st.integers(0, 2**31))
def test_theta_is_the_depthwise_convolution_over_the_map(shape, layout, residual, seed):
    torch.manual_seed(seed)
    x = torch.randn(shape, dtype=torch.float64)
    layer = GatherExciteTheta(shape[1], shape[2:], residual).double()
    layer.norm.weight.data.uniform_(0.5, 2)
    layer.norm.bias.data.uniform_(-1, 1)
    torch.testing.assert_close(layer(x.contiguous(memory_format=layout)), as_convolution(x, layer))


@settings(deadline=None, max_examples=40)
@given(shapes, layouts, st.booleans(), st.integers(0, 2**31))
def test_theta_with_the_average_s_weights_is_theta_minus(shape, layout, residual, seed):
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x = x.contiguous(memory_format=layout)
    theta = GatherExciteTheta(shape[1], shape[2:], residual).double().eval()
    theta.weight.data.fill_(1 / (shape[2] * shape[3]))
    # Fresh running moments make the norm the identity, up to its epsilon.
    theta.norm.eps = 0.0
    torch.testing.assert_close(theta(x), GatherExciteThetaMinus(residual)(x))


@pytest.mark.parametrize("shape", [(2, 3, 4, 3), (3, 2, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("residual", [True, False])
def test_gradients_are_exact(shape, layout, residual):
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(GatherExciteThetaMinus(residual), x)
    layer = GatherExciteTheta(shape[1], shape[2:], residual).double()

    def run(x, weight):
        return functional_call(layer, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(run, (x, layer.weight))


@pytest.mark.parametrize("layer", [GatherExciteTheta(3, (4, 5)), GatherExciteThetaMinus()])
def test_gradients_add_to_those_of_the_input_s_other_users(layer):
    # The shortcut around a gated branch uses the same tensor; neither gradient may overwrite the other.
    gradients = []
    for together in (True, False):
        x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
        h = x * 2
        if together:
            (layer(h) + h.square()).sum().backward()
        else:
            layer(h).sum().backward()
            (x * 2).square().sum().backward()
        gradients.append(x.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("layer", [GatherExciteTheta(3, (4, 5)), GatherExciteThetaMinus(residual=True)])
def test_half_precision_stays_half_precision(layer):
    x = torch.randn(2, 3, 4, 5).bfloat16().requires_grad_()
    y = layer(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == torch.bfloat16


def test_weights_are_initialized_by_the_size_of_the_map():
    torch.manual_seed(0)
    layer = GatherExciteTheta(256, (16, 16))
    assert float(layer.weight.detach().std()) == pytest.approx(1 / 16, rel=0.02)


def test_macs_are_those_of_the_convolution():
    assert GatherExciteTheta(8, (4, 6)).conv_macs((2, 8, 4, 6)) == 2 * 8 * 4 * 6


def test_a_batch_of_one_in_training_is_refused_in_words():
    layer = GatherExciteTheta(3, (4, 4))
    with pytest.raises(ValueError, match="batch of 1 in training"):
        layer(torch.zeros(1, 3, 4, 4))
    assert layer.eval()(torch.zeros(1, 3, 4, 4)).shape == (1, 3, 4, 4)


def test_another_map_size_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"built for \(N, 3, 4, 6\), got \(2, 3, 6, 4\)"):
        GatherExciteTheta(3, (4, 6))(torch.zeros(2, 3, 6, 4))


@pytest.mark.parametrize(("channels", "size"), [(0, (4, 4)), (3, (0, 4))])
def test_settings_below_one_are_refused(channels, size):
    with pytest.raises(ValueError, match="at least 1"):
        GatherExciteTheta(channels, size)


def test_theta_minus_refuses_flat_input():
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\)"):
        GatherExciteThetaMinus()(torch.zeros(2, 3))
