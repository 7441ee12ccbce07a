"""Gather-excite: one number per channel, gathered from the whole map, gates that channel.

The learned gather is a depthwise convolution whose kernel covers the map. Its output is one pixel, so it is
computed as the dot product of map and kernel. Counters of convolutions do not see that: count with
`GatherExciteTheta.conv_macs`. The parameter-free gather is an average.

Source: Jie Hu et al., Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks,
2018, arXiv:1810.12348, the global extent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from greenbench.errors import NotApplicable
from greenbench.nn.derivatives import needs_plain
from greenbench.nn.layers.planes import sums


class GatherExciteTheta(nn.Module):
    """Gate each channel with the sigmoid of a learned, batch-normalized sum over its whole map.

    ``g = sigmoid(BN(sum_hw x * weight))``; the output is ``x * g``, or ``x + x * g`` if `residual`.

    Parameters
    ----------
    channels
        Number of channels C.
    map_size
        Height and width of the maps; the layer works on no other size.
    residual
        Whether the input is added to its gated self.

    Raises
    ------
    ValueError
        If the input is not (N, C, H, W) with the given C, H and W, or if a batch of one is used in
        training, where its batch normalization would see one value per channel.
    """

    def __init__(self, channels: int, map_size: tuple[int, int], residual: bool = False) -> None:
        super().__init__()
        if channels < 1 or min(map_size) < 1:
            raise ValueError(f"channels and map_size must be at least 1, got {channels} and {map_size}")
        self.channels = channels
        self.map_size = (int(map_size[0]), int(map_size[1]))
        self.residual = residual
        self.weight = nn.Parameter(torch.empty(channels, 1, *self.map_size))
        # By fan-in, the size of the map; fan-out would multiply that by the number of channels.
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="linear")
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Gate (N, C, H, W); shape, type and layout stay."""
        if x.ndim != 4 or x.shape[1:] != (self.channels, *self.map_size):
            raise NotApplicable(
                f"this layer was built for (N, {self.channels}, {self.map_size[0]}, {self.map_size[1]}), "
                f"got {tuple(x.shape)}; its weights cover the whole map",
                "rebuild it for that size, or leave out what changes the size of the images",
            )
        if self.training and len(x) == 1:
            raise ValueError(
                "a batch of 1 in training: the gather's batch normalization needs at least 2 images; "
                "use a larger batch, or leave out the last incomplete one"
            )
        if needs_plain(x, self.weight):
            gathered = (x * self.weight.squeeze(1)).sum((2, 3), keepdim=True)
        else:
            gathered, x = _Gather.apply(x, self.weight)
        return _excite(x, self.norm(gathered), self.residual)

    def conv_macs(self, x_shape: Sequence[int]) -> int:
        """Return the multiply-adds of the depthwise convolution for an input (N, C, H, W)."""
        n, c, h, w = x_shape
        return n * c * h * w

    def extra_repr(self) -> str:
        """Return the settings, for printing."""
        return f"{self.channels}, map_size={self.map_size}, residual={self.residual}"


class GatherExciteThetaMinus(nn.Module):
    """Gate each channel with the sigmoid of its average; no parameters.

    ``g = sigmoid(mean_hw x)``; the output is ``x * g``, or ``x + x * g`` if `residual`.
    """

    def __init__(self, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Gate (N, C, H, W); shape, type and layout stay."""
        if x.ndim != 4:
            raise ValueError(f"expected (N, C, H, W), got {tuple(x.shape)}")
        if needs_plain(x):
            gathered = x.mean((2, 3), keepdim=True)
        else:
            gathered, x = _Gather.apply(x, None)
        return _excite(x, gathered, self.residual)

    def extra_repr(self) -> str:
        """Return the settings, for printing."""
        return f"residual={self.residual}"


class _Gather(torch.autograd.Function):
    """Returns the gathered numbers (N, C, 1, 1), and the input for the excitation.

    Passing the input on lets the backward pass add to the excitation's gradient in place. Otherwise autograd
    would write two gradients of the input's size and their sum.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(*(() if weight is None else (x, weight)))
        if weight is None:
            return x.mean((2, 3), keepdim=True), x
        return (x * weight.squeeze(1)).sum((2, 3), keepdim=True), x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None]:
        d_gathered, dx = grads
        if torch.is_grad_enabled():
            dx = dx.clone()  # with create_graph, the gradient that came in belongs to a graph
        if not ctx.saved_tensors:
            return dx.add_(d_gathered.to(dx.dtype) / (dx.shape[2] * dx.shape[3])), None
        x, weight = ctx.saved_tensors
        d_weight = torch.einsum("nchw,nc->chw", x.to(weight.dtype), d_gathered.flatten(1)).unsqueeze(1)
        return dx.addcmul_(weight.squeeze(1).to(dx.dtype), d_gathered.to(dx.dtype)), d_weight


class _Excite(torch.autograd.Function):
    """Multiplies each plane of the input (N, C, H, W) by its gate (N, C, 1, 1)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor) -> Tensor:
        ctx.save_for_backward(x, gate)
        return x * gate.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (dy,) = grads
        x, gate = ctx.saved_tensors
        if torch.is_grad_enabled():  # with create_graph, the gradient is differentiated in its turn
            return dy * gate.to(dy.dtype), (dy * x).sum((2, 3), keepdim=True, dtype=gate.dtype)
        nothing = torch.zeros_like(gate).flatten(1)
        _, d_gate = sums(dy, x, mean=nothing, var=nothing + 1, eps=0.0)
        return dy * gate.to(dy.dtype), d_gate[:, :, None, None]


def _excite(x: Tensor, gathered: Tensor, residual: bool) -> Tensor:
    gate = gathered.sigmoid()
    # x + x * g = x * (1 + g): the addition moves to the gate, which is one number per plane.
    gate = gate + 1 if residual else gate
    if needs_plain(x, gate):
        return x * gate.to(x.dtype)
    y: Tensor = _Excite.apply(x, gate)
    return y
