"""Coordinate convolution: a convolution that also sees where in the image it is.

Convolution is linear in its input channels, so the coordinates' share, the same for every image, is computed
once and broadcast: ``conv(x, W_x) + conv(coordinates, W_c)``. The image's weights keep the plain
convolution's name and shape, so that pretrained ones load.

A counter of convolutions therefore sees the coordinates' multiply-adds once a batch; `CoordConv2d.conv_macs`
counts them once an image.

Source: Rosanne Liu et al., An Intriguing Failing of Convolutional Neural Networks and the CoordConv
Solution, 2018, arXiv:1807.03247.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenbench.nn.derivatives import needs_plain

COORDINATES = 3
"""Extra input channels: x, y and r."""


@lru_cache(maxsize=16)
def coordinates(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return x, y and r of each pixel, (1, 3, height, width).

    x runs from -1 in the first column to 1 in the last, y likewise over rows, and
    ``r = sqrt(x^2 + y^2)``. An axis of one pixel has the coordinate 0.
    """
    # What is made in inference mode could not be trained with later, and this outlives the mode.
    with torch.inference_mode(False):
        # In double precision first: half precision would lose a pixel's place on large maps.
        y, x = (
            torch.linspace(-1, 1, n, dtype=torch.float64, device=device)
            if n > 1
            else torch.zeros(1, dtype=torch.float64, device=device)
            for n in (height, width)
        )
        x, y = x.expand(height, width), y[:, None].expand(height, width)
        return torch.stack((x, y, torch.hypot(x, y)))[None].to(dtype)


class CoordConv2d(nn.Conv2d):
    """A convolution of the input concatenated with the coordinates x, y in [-1, 1] and r.

    Parameters are those of `torch.nn.Conv2d`, where `in_channels` counts the input's own, and
    ``coord_weight`` (out_channels, 3, *kernel_size). With ``coord_weight`` at zero it is the plain
    convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias)
        self.coord_weight = nn.Parameter(torch.empty(out_channels, COORDINATES, *self.kernel_size))
        self._reset_coordinates()
        self._share: tuple[tuple[object, ...], Tensor] | None = None

    def _reset_coordinates(self) -> None:
        # As the weights of one convolution of all channels: uniform, by their joint fan-in.
        fan_in = (self.in_channels + COORDINATES) * self.kernel_size[0] * self.kernel_size[1]
        nn.init.uniform_(self.coord_weight, -(fan_in**-0.5), fan_in**-0.5)

    @classmethod
    def from_conv(cls, conv: nn.Conv2d) -> Self:
        """Return the coordinate convolution of `conv`, which takes over its weight and bias.

        Raises
        ------
        ValueError
            If `conv` has groups or pads otherwise than with a number of zeros.
        """
        if conv.groups != 1 or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise ValueError(
                "only a convolution with groups=1, padding_mode='zeros' and numeric padding can be given "
                f"coordinates, got groups={conv.groups}, padding_mode={conv.padding_mode!r}, "
                f"padding={conv.padding!r}"
            )
        with torch.device(conv.weight.device):
            made = cls(
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size,  # type: ignore[arg-type]
                conv.stride,  # type: ignore[arg-type]
                conv.padding,  # type: ignore[arg-type]
                conv.dilation,  # type: ignore[arg-type]
                bias=conv.bias is not None,
            ).to(conv.weight.dtype)
        made.weight, made.bias = conv.weight, conv.bias
        return made.train(conv.training)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, in_channels, H, W)."""
        return self._convolve(x, self.weight, self.bias).add_(self._coordinate_share(x))

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation)

    def _coordinate_share(self, x: Tensor) -> Tensor:
        weight = self.coord_weight
        where = (*x.shape[2:], x.dtype, x.device)
        if needs_plain(weight) or (torch.is_grad_enabled() and weight.requires_grad):
            self._share = None
            return self._convolve(coordinates(*where), weight, None)
        # Address and version of the weights change with an optimizer step, a checkpoint, a move.
        # The meta device, on which networks are counted, has no autocast and refuses the question.
        device = x.device.type
        autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        key = (where, autocast, id(weight), weight.data_ptr(), weight._version)
        if self._share is None or self._share[0] != key:
            self._share = (key, self._convolve(coordinates(*where), weight, None))
        return self._share[1]

    def conv_macs(self, x_shape: Sequence[int]) -> int:
        """Return the multiply-adds of the concatenated form for an input (N, in_channels, H, W)."""
        n, _, *size = x_shape
        macs = n * self.weight.numel() // self.in_channels * (self.in_channels + COORDINATES)
        for i, pixels in enumerate(size):
            reach = self.dilation[i] * (self.kernel_size[i] - 1)
            macs *= (pixels + 2 * int(self.padding[i]) - reach - 1) // self.stride[i] + 1
        return macs
