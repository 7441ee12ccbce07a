"""Switchable normalization: a learned mixture of instance, layer and batch normalization.

Layer and batch moments follow from the instance moments (N, C), so the input is read once for its moments and
once to be normalized, and in the backward pass once for two sums per plane and once for the gradient. All
else is (N, C) in size.

Source: Ping Luo et al., Differentiable Learning-to-Normalize via Switchable Normalization, 2018,
arXiv:1806.10779, equations 3 and 5.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from greenbench.nn.derivatives import needs_plain
from greenbench.nn.layers.planes import over, standardize, sums


class SwitchNorm2d(nn.Module):
    """Normalize with softmax-weighted means and variances of the instance, the layer and the batch.

    ``y = weight * (x - m) / sqrt(v + eps) + bias``, with m and v (N, C) mixed from the moments over
    (H, W), (C, H, W) and (N, H, W) by separate weights, ``softmax(mean_logits)`` and
    ``softmax(var_logits)``, in this order. All variances are biased, so that one-pixel maps stay
    finite. In evaluation the batch moments are the running ones; instance and layer moments are
    always the input's own.

    Parameters
    ----------
    num_features
        Number of channels C.
    eps
        Added to the variance.
    momentum
        Share of the new batch moments in the running ones.

    Raises
    ------
    ValueError
        If the input is not (N, C, H, W) with C = `num_features`, or is empty.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"num_features is {num_features}; it must be at least 1")
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.mean_logits = nn.Parameter(torch.ones(3))
        self.var_logits = nn.Parameter(torch.ones(3))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (N, C, H, W); shape, type and layout stay."""
        if x.ndim != 4 or x.shape[1] != self.num_features or x.numel() == 0:
            raise ValueError(f"expected a non-empty (N, {self.num_features}, H, W), got {tuple(x.shape)}")
        running = None if self.training else (self.running_mean, self.running_var)
        inputs = x, self.weight, self.bias, self.mean_logits, self.var_logits
        y: Tensor
        y, mean, var = (_plain if needs_plain(*inputs) else _SwitchNorm.apply)(*inputs, running, self.eps)
        if self.training:
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var, self.momentum)
        return y

    def extra_repr(self) -> str:
        """Return the settings, for printing."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class _SwitchNorm(torch.autograd.Function):
    """Returns the normalized input and the batch moments (C,) that it used."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean_logits: Tensor,
        var_logits: Tensor,
        running: tuple[Tensor, Tensor] | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean_in, var_in = _instance_moments(x, weight, bias, eps)
        a, b = mean_logits.softmax(0), var_logits.softmax(0)
        mean, mean_ln, mean_bn, var, var_ln, var_bn = _mix(mean_in, var_in, a, b, running)
        ctx.save_for_backward(
            x, weight, bias, mean_logits, var_logits,
            a, b, mean, var, mean_in, var_in, mean_ln, var_ln, mean_bn, var_bn,
        )  # fmt: skip
        ctx.eps, ctx.training = eps, running is None
        ctx.mark_non_differentiable(mean_bn, var_bn)
        return standardize(x, mean, var, weight, bias, eps), mean_bn, var_bn

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        dy = grads[0]
        x, weight, bias, mean_logits, var_logits, a, b, *moments = ctx.saved_tensors
        mean, var, mean_in, var_in, mean_ln, var_ln, mean_bn, var_bn = moments
        if torch.is_grad_enabled():
            # With create_graph the gradient must know that it depends on the inputs.
            inputs = x, weight, bias, mean_logits, var_logits
            y, *_ = _plain(*inputs, None if ctx.training else (mean_bn, var_bn), ctx.eps)
            wanted = [tensor for tensor in inputs if tensor.requires_grad]
            again = iter(torch.autograd.grad(y, wanted, dy, create_graph=True))
            return *(next(again) if tensor.requires_grad else None for tensor in inputs), None, None
        sum_dy, sum_dy_normalized = sums(dy, x, mean, var, ctx.eps)
        scale = weight * (var + ctx.eps).rsqrt()

        # Gradients of the mixed moments, (N, C), and through the mixture of its weights.
        d_mean = -sum_dy * scale
        d_var = -0.5 * sum_dy_normalized * weight / (var + ctx.eps)
        d_a = _mixture_grad(a, d_mean, mean_in, mean_ln, mean_bn)
        d_b = _mixture_grad(b, d_var, var_in, var_ln, var_bn)

        # ... and of the instance moments, from which layer and batch moments were made.
        d_layer_var = b[1] * d_var.mean(1, keepdim=True)
        d_mean_in = a[0] * d_mean + a[1] * d_mean.mean(1, keepdim=True)
        d_mean_in += 2 * (mean_in - mean_ln) * d_layer_var
        d_var_in = b[0] * d_var + d_layer_var
        if ctx.training:
            d_batch_var = b[2] * d_var.mean(0)
            d_mean_in += a[2] * d_mean.mean(0) + 2 * (mean_in - mean_bn) * d_batch_var
            d_var_in += d_batch_var

        pixels = x.shape[2] * x.shape[3]
        # By the distance from the mean: a slope times x, less a slope times the mean, would cancel.
        dx = standardize(x, mean_in, torch.ones_like(var), 2 * d_var_in / pixels, d_mean_in / pixels, 0.0)
        dx.addcmul_(dy, over(scale).to(x.dtype))
        return dx, sum_dy_normalized.sum(0), sum_dy.sum(0), d_a, d_b, None, None


def _plain(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    mean_logits: Tensor,
    var_logits: Tensor,
    running: tuple[Tensor, Tensor] | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `_SwitchNorm` does, by operations that torch can differentiate any number of times."""
    maps = x.to(weight.dtype)
    mean_in, var_in = maps.mean((2, 3)), maps.var((2, 3), correction=0)
    a, b = mean_logits.softmax(0), var_logits.softmax(0)
    mean, _, mean_bn, var, _, var_bn = _mix(mean_in, var_in, a, b, running)
    y = (maps - over(mean)) * over(weight * (var + eps).rsqrt()) + bias[:, None, None]
    return y.to(x.dtype), mean_bn, var_bn


def _mix(
    mean_in: Tensor, var_in: Tensor, a: Tensor, b: Tensor, running: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return mean and variance of the mixture, the layer and the batch, given the instances' and the shares."""
    mean_ln = mean_in.mean(1, keepdim=True)
    var_ln = var_in.mean(1, keepdim=True) + mean_in.var(1, correction=0, keepdim=True)
    if running is None:
        mean_bn = mean_in.mean(0)
        var_bn = var_in.mean(0) + mean_in.var(0, correction=0)
    else:
        mean_bn, var_bn = running
    mean = a[0] * mean_in + a[1] * mean_ln + a[2] * mean_bn
    var = b[0] * var_in + b[1] * var_ln + b[2] * var_bn
    return mean, mean_ln, mean_bn, var, var_ln, var_bn


def _instance_moments(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each plane, (N, C), in the type of `weight`."""
    n, c, h, w = x.shape
    if x.device.type == "cpu" and not x.is_contiguous():
        # There group normalization subtracts squares, and loses a small variance beside a large mean. Batch
        # normalization of single images does not; given running moments, its moments have their type.
        running = torch.zeros_like(weight), torch.ones_like(weight)
        moments = [torch.ops.aten.batch_norm_update_stats(image[None], *running, 0.0) for image in x]
        means, variances = zip(*moments, strict=True)
        return torch.stack(means), torch.stack(variances)
    # Group normalization of single channels computes both moments in one pass, by Welford's method; its
    # output is not used. Given weights, it keeps the moments of half-precision input in their type.
    _, mean, rstd = torch.native_group_norm(x, weight, bias, n, c, h * w, c, eps)
    return mean, (rstd.pow(-2) - eps).clamp_min_(0)


def _mixture_grad(shares: Tensor, grad: Tensor, *moments: Tensor) -> Tensor:
    """Return the gradient of the logits behind `shares`, which mix three moments, given the mixture's."""
    d_shares = torch.stack([(grad * m).sum() for m in moments])
    return shares * (d_shares - (shares * d_shares).sum())
