"""The layers, forward and backward, on maps of 8x64x64x64."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench_tests.speed.contest import Contest
from greenbench.nn.layers.blurpool import BlurPool2d
from greenbench.nn.layers.coordconv import CoordConv2d
from greenbench.nn.layers.gather_excite import GatherExciteTheta, GatherExciteThetaMinus
from greenbench.nn.layers.switchnorm import SwitchNorm2d

CHANNELS = 64
SIDE = 64
BATCH = 8


def _maps() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(BATCH, CHANNELS, SIDE, SIDE, generator=generator).requires_grad_()


def _step(module: nn.Module, x: Tensor) -> Callable[[], None]:
    """Return what runs the module forward and backward."""
    dy = torch.randn(module(x).shape, generator=torch.Generator().manual_seed(1))

    def step() -> None:
        x.grad = None
        module(x).backward(dy)

    return step


def _pass(module: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """Return what runs the module forward for inference."""

    def forward() -> Tensor:
        with torch.no_grad():
            return module(x)

    return forward


def _difference(ours: nn.Module, peer: nn.Module, x: Tensor) -> Callable[[], float]:
    def difference() -> float:
        outputs, gradients = [], []
        for module in (ours, peer):
            source = x.detach().clone().requires_grad_()
            y = module(source)
            y.square().sum().backward()
            outputs.append(y.detach())
            gradients.append(source.grad)
        return max(float((a - b).norm() / b.norm()) for a, b in (outputs, gradients))

    return difference


class PlainSwitchNorm(nn.Module):
    """Each moment from the input, as the method's public code has it; biased, to give the same result."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.mean_logits = nn.Parameter(torch.ones(3))
        self.var_logits = nn.Parameter(torch.ones(3))
        self.register_buffer("running_mean", torch.zeros(1, channels, 1))
        self.register_buffer("running_var", torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        x = x.view(n, c, -1)
        mean_in, var_in = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
        square = var_in + mean_in**2
        mean_ln = mean_in.mean(1, keepdim=True)
        var_ln = square.mean(1, keepdim=True) - mean_ln**2
        if self.training:
            mean_bn = mean_in.mean(0, keepdim=True)
            var_bn = square.mean(0, keepdim=True) - mean_bn**2
            self.running_mean.mul_(0.9).add_(0.1 * mean_bn.detach())
            self.running_var.mul_(0.9).add_(0.1 * var_bn.detach())
        else:
            mean_bn, var_bn = self.running_mean, self.running_var
        a, b = self.mean_logits.softmax(0), self.var_logits.softmax(0)
        mean = a[0] * mean_in + a[1] * mean_ln + a[2] * mean_bn
        var = b[0] * var_in + b[1] * var_ln + b[2] * var_bn
        x = (x - mean) / (var + 1e-5).sqrt()
        return x.view(n, c, h, w) * self.weight + self.bias


def switchnorm_train() -> Contest:
    x, ours, peer = _maps(), SwitchNorm2d(CHANNELS), PlainSwitchNorm(CHANNELS)
    return Contest(
        _step(ours, x), _step(peer, x), _step(nn.BatchNorm2d(CHANNELS), x),
        "the public formulation", "BatchNorm2d", _difference(ours, peer, x),
    )  # fmt: skip


def switchnorm_eval() -> Contest:
    x, ours, peer = _maps(), SwitchNorm2d(CHANNELS).eval(), PlainSwitchNorm(CHANNELS).eval()
    return Contest(
        _pass(ours, x), _pass(peer, x), _pass(nn.BatchNorm2d(CHANNELS).eval(), x),
        "the public formulation", "BatchNorm2d", _difference(ours, peer, x),
    )  # fmt: skip


def blurpool() -> Contest:
    from timm.layers import BlurPool2d as TimmBlurPool2d

    x, ours, peer = _maps(), BlurPool2d(CHANNELS), TimmBlurPool2d(CHANNELS, filt_size=5)
    return Contest(
        _step(ours, x), _step(peer, x), _step(nn.AvgPool2d(2), x),
        f"timm {version('timm')}", "avg_pool2d, 2x2", _difference(ours, peer, x),
    )  # fmt: skip


class DepthwiseGatherExcite(nn.Module):
    """The gather as a depthwise convolution of the whole map, its result enlarged to the map again."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        channels = len(weight)
        self.gather = nn.Conv2d(channels, channels, weight.shape[2:], groups=channels, bias=False)
        self.gather.weight = nn.Parameter(weight.detach().clone())
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.interpolate(self.norm(self.gather(x)), size=x.shape[2:]).sigmoid()


class InterpolatedGatherExcite(nn.Module):
    """The average of the whole map, enlarged to the map again."""

    def forward(self, x: Tensor) -> Tensor:
        return x * F.interpolate(F.adaptive_avg_pool2d(x, 1), size=x.shape[2:]).sigmoid()


class Doubled(nn.Module):
    """One multiplication: every gate has to do as much."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2.0


def ge_theta() -> Contest:
    x, ours = _maps(), GatherExciteTheta(CHANNELS, (SIDE, SIDE))
    peer = DepthwiseGatherExcite(ours.weight)
    return Contest(
        _step(ours, x), _step(peer, x), _step(Doubled(), x),
        "depthwise convolution, interpolate", "x * 2", _difference(ours, peer, x),
    )  # fmt: skip


def ge_theta_minus() -> Contest:
    x, ours, peer = _maps(), GatherExciteThetaMinus(), InterpolatedGatherExcite()
    return Contest(
        _step(ours, x), _step(peer, x), _step(Doubled(), x),
        "adaptive_avg_pool2d, interpolate", "x * 2", _difference(ours, peer, x),
    )  # fmt: skip


def ge_theta_minus_timm() -> Contest:
    from timm.layers import GatherExcite

    x, ours = _maps(), GatherExciteThetaMinus()
    peer = GatherExcite(CHANNELS, extent=0, use_mlp=False)
    return Contest(
        _step(ours, x), _step(peer, x), _step(Doubled(), x),
        f"timm {version('timm')}", "x * 2", _difference(ours, peer, x),
    )  # fmt: skip


class ConcatenatingCoordConv(nn.Module):
    """Coordinates made anew for every image and concatenated, as public code does; right off squares too."""

    def __init__(self, conv: CoordConv2d) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            conv.in_channels + 3, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, bias=False
        )
        self.conv.weight = nn.Parameter(torch.cat((conv.weight, conv.coord_weight), 1).detach())

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        xx = torch.arange(w).repeat(n, 1, h, 1).to(x) / (w - 1) * 2 - 1
        yy = torch.arange(h).repeat(n, 1, w, 1).transpose(2, 3).to(x) / (h - 1) * 2 - 1
        return self.conv(torch.cat((x, xx, yy, (xx**2 + yy**2).sqrt()), 1))


def coordconv() -> Contest:
    x, plain = _maps(), nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
    return _coordconv(x, plain)


def coordconv_stem() -> Contest:
    """The first convolution of BiSeNet, where the study puts it; images need no gradient."""
    x = torch.randn(BATCH, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    return _coordconv(x, nn.Conv2d(3, 64, 7, 2, 3, bias=False))


def _coordconv(x: Tensor, plain: nn.Conv2d) -> Contest:
    ours = CoordConv2d.from_conv(plain)
    peer = ConcatenatingCoordConv(ours)
    return Contest(
        _step(ours, x), _step(peer, x), _step(plain, x),
        "concatenation for each image", "the plain convolution", _difference(ours, peer, x),
    )  # fmt: skip


CONTESTS = {
    "switchnorm_train": switchnorm_train,
    "switchnorm_eval": switchnorm_eval,
    "blurpool": blurpool,
    "ge_theta": ge_theta,
    "ge_theta_minus": ge_theta_minus,
    "ge_theta_minus_timm": ge_theta_minus_timm,
    "coordconv": coordconv,
    "coordconv_stem": coordconv_stem,
}
