"""Derivatives of the layers beyond one gradient, under both layouts."""

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap

from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus
from greenbench.nn.layers.spatial_bottleneck import SpatialBottleneck2d
from greenbench.nn.layers.switchnorm import SwitchNorm2d

# Torch's own, at the first use of forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
LAYERS = {
    "switchnorm": lambda: SwitchNorm2d(2),
    "switchnorm, judged": lambda: SwitchNorm2d(2).eval(),
    "ge_theta": lambda: GatherExciteTheta(2, (3, 4)),
    "ge_theta with a residual": lambda: GatherExciteTheta(2, (3, 4), residual=True),
    "ge_theta_minus": GatherExciteThetaMinus,
    "blurpool": lambda: BlurPool2d(2, filter_size=3),
    "coordconv": lambda: CoordConv2d(2, 2, 3, padding=1),
    "spatial_bottleneck": lambda: SpatialBottleneck2d(2),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    torch.manual_seed(0)
    return LAYERS[request.param]().double()


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last], ids=["planes", "channels_last"])
def x(request):
    made = torch.randn(2, 2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return made.contiguous(memory_format=request.param).requires_grad_()


def as_function(layer):
    names = [name for name, _ in layer.named_parameters()]
    values = tuple(value.detach().requires_grad_() for value in layer.parameters())

    def run(x, *parameters):
        # Running moments are changed in place: a transform allows that where they were made under it.
        made = {name: value + 0 * x.detach().sum().to(value.dtype) for name, value in layer.named_buffers()}
        return functional_call(layer, {**dict(zip(names, parameters, strict=True)), **made}, (x,))

    return run, values


def test_the_gradient_s_own_derivative_is_exact(layer, x):
    run, parameters = as_function(layer)
    assert torch.autograd.gradgradcheck(run, (x, *parameters))


def test_a_gradient_that_needs_none_behind_it_knows_its_derivative_too(layer, x):
    """The sum's gradient is constant: what is left depends on the layer alone."""
    run, parameters = as_function(layer)

    def loss(x):
        return run(x, *parameters).sum()

    (first,) = torch.autograd.grad(loss(x), x, create_graph=True)
    torch.testing.assert_close(first, torch.autograd.grad(loss(x), x)[0])
    found = torch.autograd.functional.hvp(loss, x.detach(), torch.ones_like(x))[1]
    step = 1e-5
    ahead, behind = (
        torch.autograd.grad(loss(moved), moved)[0]
        for shift in (step, -step)
        for moved in [(x.detach() + shift).requires_grad_()]
    )
    torch.testing.assert_close(found, (ahead - behind) / (2 * step), atol=1e-7, rtol=1e-5)


def test_transforms_and_forward_mode_agree_with_the_gradient(layer, x):
    run, parameters = as_function(layer)
    weights = torch.randn(run(x, *parameters).shape, dtype=torch.float64)

    def loss(*inputs):
        return (run(*inputs) * weights).sum()

    inputs = (x.detach(), *(value.detach() for value in parameters))
    tangents = tuple(torch.randn_like(value) for value in inputs)
    gradients = torch.autograd.grad(loss(x, *parameters), (x, *parameters))
    every = tuple(range(len(inputs)))
    for found, expected in zip(grad(loss, argnums=every)(*inputs), gradients, strict=True):
        torch.testing.assert_close(found, expected)
    along = sum((g * t).sum() for g, t in zip(gradients, tangents, strict=True))
    torch.testing.assert_close(jvp(loss, inputs, tangents)[1], along)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(value, t) for value, t in zip(inputs, tangents, strict=True)]
        torch.testing.assert_close(forward_ad.unpack_dual(loss(*duals)).tangent, along)


def test_inputs_may_be_mapped(layer, x):
    layer.eval()
    stacked = torch.stack((x.detach(), 2 * x.detach()))
    with torch.no_grad():
        torch.testing.assert_close(vmap(layer)(stacked)[1], layer(2 * x.detach()))
