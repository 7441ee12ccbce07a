"""Derivatives of the losses beyond one gradient, and what a device must not be made to wait for."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jvp, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from bench_tests.techniques.reference import IGNORE, drawn
from greenbench.nn.losses.focal import focal
from greenbench.nn.losses.label_relaxation import label_relaxation
from greenbench.nn.losses.mixup_loss import mixup_loss
from greenbench.nn.losses.soft_dice import soft_dice, sums_on_device
from greenbench.nn.losses.upsample_cross_entropy import upsample_cross_entropy

LOSSES = {
    "focal": lambda x, t: focal(x, t, ignore_index=IGNORE),
    "focal at gamma 0": lambda x, t: focal(x, t, 0.0, IGNORE),
    "focal at gamma 0.5": lambda x, t: focal(x, t, 0.5, IGNORE),
    "soft_dice": lambda x, t: soft_dice(x, t, ignore_index=IGNORE),
    "label_relaxation": lambda x, t: label_relaxation(x, t, IGNORE),
    "mixup_loss": lambda x, t: mixup_loss(x, t, t.flip(-1), 0.4, IGNORE),
    "upsample_cross_entropy": lambda x, t: upsample_cross_entropy(x, F.pad(t, (0, 2, 1, 0), value=1), IGNORE),
}
SHAPE = (2, 3, 3, 4)
# Torch's own, at the first use of forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


@pytest.fixture
def case(loss):
    """A loss as a function of its logits alone, logits, and their gradient in the ordinary way."""
    logits, labels = drawn(SHAPE, seed=1)
    (gradient,) = torch.autograd.grad(loss(logits, labels), logits)
    return lambda x: loss(x, labels), logits, gradient


def test_the_gradient_s_own_derivative_is_exact(case):
    function, logits, gradient = case
    assert torch.autograd.gradgradcheck(function, logits)
    (again,) = torch.autograd.grad(function(logits), logits, create_graph=True)
    torch.testing.assert_close(again, gradient)


def test_second_derivatives_through_a_network_miss_no_part(loss):
    _, labels = drawn((2, 3, 3, 4), seed=2)
    source = torch.Generator().manual_seed(3)
    inputs = torch.randn(2, 2, 3, 4, dtype=torch.float64, generator=source)
    weight = torch.randn(3, 2, 1, 1, dtype=torch.float64, generator=source).requires_grad_()

    def through(weight):
        return loss(F.conv2d(inputs, weight).tanh(), labels)

    found = torch.autograd.functional.hessian(through, weight)
    step = 1e-5
    for i in range(weight.numel()):
        shift = torch.zeros(weight.numel(), dtype=torch.float64)
        shift[i] = step
        moved = [
            torch.autograd.grad(through(w), w)[0]
            for sign in (1, -1)
            for w in [(weight + sign * shift.view_as(weight)).detach().requires_grad_()]
        ]
        row = found.view(weight.numel(), -1)[i]
        torch.testing.assert_close(row, ((moved[0] - moved[1]) / (2 * step)).flatten(), atol=1e-8, rtol=1e-6)


def test_transforms_give_the_same_gradient(case):
    function, logits, gradient = case
    detached = logits.detach()
    torch.testing.assert_close(grad(function)(detached), gradient)
    stacked = torch.stack((detached, detached * 2))
    torch.testing.assert_close(vmap(function)(stacked)[0], function(logits).detach())
    torch.testing.assert_close(vmap(grad(function))(stacked)[0], gradient)
    torch.testing.assert_close(
        hessian(function)(detached), torch.autograd.functional.hessian(function, detached)
    )


def test_gradients_by_sample_come_from_labels_that_are_mapped_too(loss):
    logits, labels = drawn(SHAPE, seed=4)
    labels[:, 0, 0] = 0
    found = vmap(grad(lambda x, t: loss(x[None], t[None])))(logits.detach(), labels)
    for x, t, gradient in zip(logits.detach(), labels, found, strict=True):
        leaf = x[None].requires_grad_()
        torch.testing.assert_close(torch.autograd.grad(loss(leaf, t[None]), leaf)[0][0], gradient)


def test_batched_gradients_are_those_one_by_one(case):
    function, logits, gradient = case
    factors = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for create_graph in (False, True):
        (found,) = torch.autograd.grad(
            function(logits), logits, factors, is_grads_batched=True, create_graph=create_graph
        )
        torch.testing.assert_close(found, factors.view(-1, 1, 1, 1, 1) * gradient)


def test_forward_mode_agrees_with_the_gradient(case):
    function, logits, gradient = case
    tangent = torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    along = (gradient * tangent).sum()
    for primal in (logits, logits.detach()):
        with forward_ad.dual_level():
            found = forward_ad.unpack_dual(function(forward_ad.make_dual(primal, tangent))).tangent
        torch.testing.assert_close(found, along)
    for found in (
        jvp(function, (logits.detach(),), (tangent,))[1],
        torch.autograd.functional.jvp(function, logits.detach(), tangent)[1],
    ):
        torch.testing.assert_close(found, along)


def test_parameters_of_a_network_may_be_transformed(loss):
    _, labels = drawn(SHAPE, seed=6)
    network = torch.nn.Conv2d(2, 3, 1).double()
    inputs = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    found = grad(lambda p: loss(functional_call(network, p, (inputs,)), labels))(parameters)
    loss(network(inputs), labels).backward()
    torch.testing.assert_close(found["weight"], network.weight.grad)


class Waits(TorchDispatchMode):
    """Notes the operations for whose result a GPU would have to finish all that is queued."""

    WAITING = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "bincount",
        "_unique2",
        "is_nonzero",
        "equal",
    )

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        on_device = any(isinstance(a, torch.Tensor) and a.device.type == "meta" for a in args)
        if on_device and name in self.WAITING:
            self.seen.append(name)
        # A mask as an index is a nonzero in disguise.
        if (
            on_device
            and name.startswith("index")
            and any(
                i is not None and i.dtype == torch.bool
                for i in (args[1] if isinstance(args[1], list) else [])
            )
        ):
            self.seen.append("index by a mask")
        result = function(*args, **(kwargs or {}))
        if name == "_to_copy" and on_device and result.device.type != "meta":
            self.seen.append("copy to the CPU")
        return result


def test_a_step_on_a_device_waits_for_nothing(loss):
    """The meta device has no values: whatever asked for one would fail here."""
    logits = torch.randn(SHAPE, device="meta", requires_grad=True)
    labels = torch.zeros(2, 3, 4, dtype=torch.int64, device="meta")
    with Waits() as waits:
        value = loss(logits, labels)
        value.backward()
    assert waits.seen == []
    assert value.shape == ()
    assert logits.grad.shape == logits.shape


def test_sums_by_class_on_a_device_are_those_of_bincount():
    source = torch.Generator().manual_seed(7)
    labels = torch.randint(5, (1000,), generator=source)
    values = torch.rand(1000, dtype=torch.float64, generator=source)
    torch.testing.assert_close(sums_on_device(labels, values, 7), torch.bincount(labels, values, 7))
