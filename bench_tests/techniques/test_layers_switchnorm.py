"""SwitchNorm against the three norms it mixes, and its hand-written gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call

from greenbench.nn.layers.switchnorm import SwitchNorm2d

NAMES = ("weight", "bias", "mean_logits", "var_logits")
CERTAIN = 80.0
"""A logit beside which zeros have no share in double precision."""


def mixed(x, module, running=None):
    """The definition, moment by moment, in the input's own precision."""

    def moments(axes):
        return x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)

    batch = moments((0, 2, 3)) if running is None else [r.view(1, -1, 1, 1) for r in running]
    parts = (moments((2, 3)), moments((1, 2, 3)), batch)
    a, b = module.mean_logits.softmax(0), module.var_logits.softmax(0)
    mean = sum(a[k] * parts[k][0] for k in range(3))
    var = sum(b[k] * parts[k][1] for k in range(3))
    normalized = (x - mean) / (var + module.eps).sqrt()
    return normalized * module.weight.view(1, -1, 1, 1) + module.bias.view(1, -1, 1, 1)


def random_norm(channels, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    norm = SwitchNorm2d(channels).to(dtype)
    for parameter in norm.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=dtype, generator=generator)
    return norm


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))


@settings(deadline=None, max_examples=60)
@given(shapes, st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_equals_the_definition_on_any_map(shape, channels_last, training, seed):
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 3 + 1
    layout = torch.channels_last if channels_last else torch.contiguous_format
    norm = random_norm(shape[1], seed).train(training)
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    running = None if training else (norm.running_mean.clone(), norm.running_var.clone())
    y = norm(x.contiguous(memory_format=layout))
    torch.testing.assert_close(y, mixed(x, norm, running), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 2, 3, 3), (3, 1, 2, 2), (2, 3, 1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("training", [True, False])
def test_gradients_are_exact(shape, layout, training):
    norm = random_norm(shape[1]).train(training)
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()

    def run(x, *parameters):
        return functional_call(norm, dict(zip(NAMES, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *(getattr(norm, name) for name in NAMES)))


def one_hot(norm, kind):
    for logits in (norm.mean_logits, norm.var_logits):
        logits.data = torch.full((3,), -CERTAIN, dtype=logits.dtype)
        logits.data[kind] = CERTAIN
    return norm


@settings(deadline=None, max_examples=30)
@given(shapes, st.integers(0, 2**31))
def test_one_hot_weights_are_instance_layer_and_batch_norm(shape, seed):
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    c = shape[1]
    norm = SwitchNorm2d(c).double()
    axes = {0: (2, 3), 1: (1, 2, 3), 2: (0, 2, 3)}
    for kind, over in axes.items():
        mean, var = x.mean(over, keepdim=True), x.var(over, correction=0, keepdim=True)
        torch.testing.assert_close(one_hot(norm, kind)(x), (x - mean) / (var + norm.eps).sqrt())


def test_running_moments_are_those_of_batch_norm_but_biased():
    x = torch.randn(4, 3, 5, 5)
    switch, batch = SwitchNorm2d(3), torch.nn.BatchNorm2d(3)
    switch(x), batch(x)
    torch.testing.assert_close(switch.running_mean, batch.running_mean)
    biased = x.var((0, 2, 3), correction=0) * 0.1 + 0.9
    torch.testing.assert_close(switch.running_var, biased)


def test_stays_finite_on_one_pixel_maps():
    norm = SwitchNorm2d(4)
    x = torch.randn(2, 4, 1, 1, requires_grad=True)
    norm(x).sum().backward()
    assert x.grad.isfinite().all()
    assert norm.running_var.isfinite().all()
    assert norm.eval()(x).isfinite().all()


def errors(norm, x, dy, exact):
    """Return the largest errors of output, gradient and running variance against `exact` in float64."""
    found = []
    for layer, dtype in ((norm, x.dtype), (exact.double(), torch.float64)):
        layer.running_mean.fill_(float(x.double().mean()))
        leaf = x.detach().to(dtype).requires_grad_()
        y = layer(leaf)
        y.backward(dy.to(dtype))
        found.append([t.detach().double() for t in (y, leaf.grad, layer.weight.grad, layer.running_var)])
    return [float((a - b).abs().max()) for a, b in zip(*found, strict=True)]


class Sliced:
    """Every second row and column of larger maps: neither layout."""


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last, Sliced])
@pytest.mark.parametrize(
    ("dtype", "mean"),
    [(torch.float32, 1000), (torch.bfloat16, 100), (torch.bfloat16, 4), (torch.float16, 100)],
)
@pytest.mark.parametrize("training", [True, False])
def test_a_mean_far_from_zero_costs_no_more_digits_than_batch_norm_s(layout, dtype, mean, training):
    """A mean 1000 times the deviation loses six digits where the variance is a difference of squares."""
    x = (
        torch.randn(2, 4, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + mean
    ).to(dtype)
    dy = torch.randn(2, 4, 32, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    if layout is Sliced:
        x, dy = x[:, :, ::2, ::2], dy[:, :, ::2, ::2]
    else:
        x, dy = (t.contiguous(memory_format=layout) for t in (x, dy))
    switch, batch = (
        errors(layer(4).train(training), x, dy, layer(4).train(training))
        for layer in (SwitchNorm2d, torch.nn.BatchNorm2d)
    )
    # Output and gradient, of up to 4, are rounded to the type of x; of float32's 7 digits the mean takes 3.
    rounding = 4 * torch.finfo(dtype).eps
    for found, peer, least in zip(switch, batch, (4e-4, 4e-4, 2e-2, 1e-4), strict=True):
        assert found <= max(4 * peer, rounding, least)


def test_output_may_be_modified_in_place():
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    torch.relu_(SwitchNorm2d(3)(x)).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (3, 8, 8), (0, 3, 8, 8)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"expected a non-empty \(N, 3, H, W\), got"):
        SwitchNorm2d(3)(torch.zeros(shape))


def test_refuses_no_features():
    with pytest.raises(ValueError, match="num_features is 0"):
        SwitchNorm2d(0)
