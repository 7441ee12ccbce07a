"""Anti-aliased subsampling: a fixed binomial blur, then every ``stride``-th sample (BlurPool).

The blur is separable and linear, so along each axis it is a banded matrix, reflected borders included, with
one row per output sample. Blocks of that matrix are multiplied with the image: nothing is padded or copied,
no layout is converted, and the backward pass (the transposed matrices) is deterministic on every device.

A matrix product has other multiply-adds than the depthwise convolution that this layer stands for: count with
`BlurPool2d.conv_macs`.

Source: Richard Zhang, Making Convolutional Networks Shift-Invariant Again, 2019, arXiv:1904.11486.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from greenbench.nn.derivatives import needs_plain

_BLOCK = 64
"""Output samples per matrix block: wide enough for the matrix units, narrow enough to stay banded."""


class _Block(NamedTuple):
    """Rows `first_out` to `last_out` of a banded matrix, of the columns that are not all zero."""

    matrix: Tensor
    first_out: int
    last_out: int
    first_in: int
    last_in: int


class BlurPool2d(nn.Module):
    """Blur each channel with a binomial filter and subsample it.

    It has no parameters and no buffers, so a checkpoint keeps the plain network's keys. Borders are reflected
    without repeating the edge sample, as by ``reflect`` of numpy and torch, and more than once where the map
    is smaller than the filter, as by numpy's.

    Parameters
    ----------
    channels
        Number of channels C of the input, or None for any.
    stride
        Distance between the samples that are kept, at least 1.
    filter_size
        Taps per axis: odd, at least 3. Five is (1, 4, 6, 4, 1) / 16.

    Raises
    ------
    ValueError
        If a setting is out of range, or the input is not (N, C, H, W) with C = `channels`.
    """

    def __init__(self, channels: int | None, stride: int = 2, filter_size: int = 5) -> None:
        super().__init__()
        if filter_size < 3 or filter_size % 2 == 0:
            raise ValueError(f"filter_size is {filter_size}; it must be an odd number of at least 3")
        if stride < 1 or (channels is not None and channels < 1):
            raise ValueError(f"channels and stride must be at least 1, got {channels} and {stride}")
        self.channels = channels
        self.stride = stride
        self.filter_size = filter_size

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ceil(H / stride), ceil(W / stride)) in the layout of `x`."""
        if x.ndim != 4 or self.channels not in (None, x.shape[1]):
            raise ValueError(f"expected (N, {self.channels or 'C'}, H, W), got {tuple(x.shape)}")
        height, width = x.shape[2:]
        if needs_plain(x):
            rows, columns = (
                torch.as_tensor(_blur_matrix(side, self.stride, self.filter_size)).to(x)
                for side in (height, width)
            )
            return rows @ x @ columns.T
        y: Tensor = _Blur.apply(x, (height, width), self.stride, self.filter_size, False)
        return y

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the output."""
        return (height - 1) // self.stride + 1, (width - 1) // self.stride + 1

    def conv_macs(self, x_shape: Sequence[int]) -> int:
        """Return the multiply-adds of the depthwise convolution for an input (N, C, H, W)."""
        n, c, h, w = x_shape
        height, width = self.output_size(h, w)
        return n * c * height * width * self.filter_size**2

    def extra_repr(self) -> str:
        """Return the settings, for printing."""
        return f"{self.channels}, stride={self.stride}, filter_size={self.filter_size}"


class _Blur(torch.autograd.Function):
    """The blur of a map of `size` (H, W), or its transpose back onto a map of that size."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, size: tuple[int, int], stride: int, taps: int, transposed: bool
    ) -> Tensor:
        ctx.settings = (size, stride, taps, transposed)
        rows, columns = (_blocks(s, stride, taps, transposed, x.device, x.dtype) for s in size)
        n, c, h, w = x.shape
        size_out = (n, c, rows[-1].last_out, columns[-1].last_out)
        # Written into, not returned as views: an output that is a view may not be modified in place.
        if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
            y = torch.empty(size_out, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
            lines = x.new_empty(n, size_out[2], w * c)
            _multiply(rows, x.permute(0, 2, 3, 1).reshape(n, h, w * c), lines)
            _multiply(columns, lines.view(-1, w, c), y.permute(0, 2, 3, 1).flatten(0, 1))
        else:
            y = x.new_empty(size_out)
            lines = x.new_empty(n * c, size_out[2], w)
            _multiply(rows, x.reshape(n * c, h, w), lines)
            _multiply_right(lines.view(-1, w), columns, y.view(-1, size_out[3]))
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        size, stride, taps, transposed = ctx.settings
        return _Blur.apply(grads[0], size, stride, taps, not transposed), None, None, None, None


def _multiply(blocks: tuple[_Block, ...], x: Tensor, out: Tensor) -> None:
    """Multiply the banded matrix with every (K, M) matrix of `x` (B, K, M)."""
    for b in blocks:
        matrix, read = b.matrix.expand(len(x), -1, -1), x[:, b.first_in : b.last_in]
        if len(blocks) == 1:
            torch.bmm(matrix, read, out=out)
        else:
            out[:, b.first_out : b.last_out] = torch.bmm(matrix, read)


def _multiply_right(x: Tensor, blocks: tuple[_Block, ...], out: Tensor) -> None:
    """Multiply `x` (M, K) with the transposed banded matrix."""
    for b in blocks:
        torch.mm(x[:, b.first_in : b.last_in], b.matrix.T, out=out[:, b.first_out : b.last_out])


@lru_cache(maxsize=256)
def _blocks(
    size: int, stride: int, taps: int, transposed: bool, device: torch.device, dtype: torch.dtype
) -> tuple[_Block, ...]:
    """Return the blur of an axis of `size` samples as blocks of its banded matrix."""
    matrix = _blur_matrix(size, stride, taps)
    matrix = matrix.T if transposed else matrix
    blocks = []
    for first_out in range(0, len(matrix), _BLOCK):
        rows = matrix[first_out : first_out + _BLOCK]
        read = np.flatnonzero(rows.any(axis=0))
        # A transposed row is empty where the stride skips more samples than the filter has taps.
        first_in, last_in = (int(read[0]), int(read[-1]) + 1) if len(read) else (0, 1)
        block = torch.tensor(rows[:, first_in:last_in], device=device, dtype=dtype)
        blocks.append(_Block(block, first_out, first_out + len(rows), first_in, last_in))
    return tuple(blocks)


def _blur_matrix(size: int, stride: int, taps: int) -> NDArray[np.float64]:
    """Return the (outputs, size) matrix that blurs with reflected borders and subsamples."""
    centers = np.arange(0, size, stride)
    matrix = np.zeros((len(centers), size))
    for i in range(taps):
        # Reflection is a triangular wave of period 2 (size - 1); a single sample repeats.
        distance = np.abs(centers + i - taps // 2) % max(2 * (size - 1), 1)
        read = size - 1 - np.abs(size - 1 - distance)
        np.add.at(matrix, (np.arange(len(centers)), read), comb(taps - 1, i) / 2.0 ** (taps - 1))
    return matrix
