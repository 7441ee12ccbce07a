"""Losses and layers in bfloat16, under autocast, against the same in float64."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bench_tests.techniques.reference import IGNORE, drawn
from greenbench.execute.in_mode import in_full_precision
from greenbench.nn.baselines import cross_entropy
from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus
from greenbench.nn.layers.spatial_bottleneck import SpatialBottleneck2d
from greenbench.nn.layers.switchnorm import SwitchNorm2d
from greenbench.nn.losses.focal import focal
from greenbench.nn.losses.label_relaxation import label_relaxation
from greenbench.nn.losses.mixup_loss import mixup_loss
from greenbench.nn.losses.soft_dice import soft_dice
from greenbench.nn.losses.upsample_cross_entropy import upsample_cross_entropy
from greenbench.nn.precision import full_precision

LOSSES = {
    "cross_entropy": in_full_precision(cross_entropy(IGNORE)),
    "focal": lambda x, t: focal(x, t, ignore_index=IGNORE),
    "soft_dice": lambda x, t: soft_dice(x, t, ignore_index=IGNORE),
    "label_relaxation": lambda x, t: label_relaxation(x, t, IGNORE),
    "mixup_loss": lambda x, t: mixup_loss(x, t, t.flip(-1), 0.4, IGNORE),
    "upsample_cross_entropy": lambda x, t: upsample_cross_entropy(x, F.pad(t, (0, 2, 1, 0), value=1), IGNORE),
}
FLOAT32 = 1e-5
"""Of a loss that is summed in float32: of its value, and of its gradient before that is rounded."""
BFLOAT16 = 2**-8
"""Of a number that is rounded to bfloat16 once."""
LAYER = 2**-6
"""Of the largest number that a layer gives: its factors are rounded, what it sums is not."""


def autocast():
    return torch.autocast("cpu", torch.bfloat16)


def error(found, exact):
    """Return the largest deviation as a share of the largest number."""
    found, exact = found.detach().double(), exact.detach()
    return float((found - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_losses_under_autocast_compute_in_float32(name, dtype, layout):
    drawn_logits, labels = drawn((2, 7, 12, 9), seed=1, dtype=dtype, spread=5.0)
    logits = drawn_logits.detach().contiguous(memory_format=layout).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    with autocast():
        value = LOSSES[name](logits, labels)
    reference = LOSSES[name](exact, labels)
    value.backward()
    reference.backward()
    assert value.dtype == torch.float32
    assert logits.grad.dtype == dtype
    assert value.item() == pytest.approx(reference.item(), rel=FLOAT32)
    assert error(logits.grad, exact.grad) < (BFLOAT16 if dtype == torch.bfloat16 else FLOAT32)


@pytest.mark.parametrize(("protected", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_a_logarithm_in_a_loss_of_one_s_own_is_not_rounded(protected, dtype):
    logits, labels = drawn((2, 7, 12, 9), seed=1, ignored=0, dtype=torch.bfloat16, spread=5.0)

    def own(logits, labels):
        log_p = logits.log_softmax(1)
        assert log_p.dtype == dtype
        return F.nll_loss(log_p, labels)

    loss = in_full_precision(own) if protected else own
    with autocast():
        value = loss(logits, labels).item()
    exact = F.cross_entropy(logits.double(), labels).item()
    assert (abs(value / exact - 1) < FLOAT32) == protected


@pytest.mark.parametrize("outputs", [{"maps": torch.ones(2, 3)}, (torch.ones(2, 3), 1), []])
def test_a_loss_of_one_s_own_sees_float32_and_no_autocast(outputs):
    seen = []

    def own(outputs, targets):
        seen.append((outputs, torch.is_autocast_enabled("cpu")))
        return torch.zeros(())

    with autocast():
        halves = torch.utils._pytree.tree_map_only(torch.Tensor, torch.Tensor.bfloat16, outputs)
        in_full_precision(own)(halves, None)
        assert torch.is_autocast_enabled("cpu")
    ((found, enabled),) = seen
    assert not enabled
    assert str(found) == str(outputs)


def test_only_half_precision_is_widened():
    for dtype in (torch.float32, torch.float64, torch.int32, torch.bool):
        values = torch.ones(2, dtype=dtype)
        assert full_precision(values) is values
    assert full_precision(torch.ones(2).half()).dtype == torch.float32


LAYERS = {
    "blurpool": lambda: BlurPool2d(6),
    "coordconv": lambda: CoordConv2d(6, 5, 3, padding=1),
    "ge_theta": lambda: GatherExciteTheta(6, (10, 12), residual=True),
    "ge_theta_minus": lambda: GatherExciteThetaMinus(residual=True),
    "spatial_bottleneck": lambda: SpatialBottleneck2d(6),
    "switchnorm": lambda: SwitchNorm2d(6),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_layers_under_autocast_agree_with_float64(name, training, layout, dtype):
    torch.manual_seed(0)
    layer = LAYERS[name]().train(training)
    exact_layer = copy.deepcopy(layer).double()
    images = (torch.randn(4, 6, 10, 12) * 2 + 1).to(dtype).contiguous(memory_format=layout).requires_grad_()
    exact = images.detach().double().requires_grad_()
    with autocast():
        found = layer(images)
    reference = exact_layer(exact)
    weights = torch.randn(reference.shape, dtype=torch.float64)
    (found * weights.to(found.dtype)).sum().backward()
    (reference * weights.to(found.dtype).double()).sum().backward()
    assert error(found, reference) < LAYER
    assert error(images.grad, exact.grad) < LAYER
    for (kind, weight), other in zip(layer.named_parameters(), exact_layer.parameters(), strict=True):
        assert weight.grad.dtype == weight.dtype == torch.float32
        assert error(weight.grad, other.grad) < 2 * LAYER, kind
    for mine, other in zip(layer.buffers(), exact_layer.buffers(), strict=True):
        assert error(mine, other.double()) < BFLOAT16 or not other.any()


def test_running_statistics_are_summed_in_float32():
    """A mean of 100 with a spread of 0.01: bfloat16 has steps of 0.5 there."""
    torch.manual_seed(0)
    norms = [nn.BatchNorm2d(3), SwitchNorm2d(3)]
    images = 100 + 0.01 * torch.randn(8, 3, 16, 16)
    for norm in norms:
        norm.momentum = 1.0
        with autocast():
            norm(images.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(norm.running_mean, images.mean((0, 2, 3)), rtol=1e-6, atol=0)
        torch.testing.assert_close(norm.running_var, images.var((0, 2, 3)), rtol=0.05, atol=0)
