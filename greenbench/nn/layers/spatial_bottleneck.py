"""Spatial bottleneck: a convolution of stride 2, then a transposed one of stride 2 that restores the size.

Both work on a quarter of the positions. The transposed one is told the size to restore, because a stride of 2
maps an odd size and the next even one onto the same half.

Source: Junran Peng et al., Accelerating Deep Neural Networks with Spatial Bottleneck Modules, 2018,
arXiv:1809.02601.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def _transposed(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    layer = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False)
    # fan_out of a transposed layer's (in, out, 3, 3) weight is its number of inputs.
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


class SpatialBottleneck2d(nn.Module):
    """Stands for one 3x3 convolution: 3x3 to half the channels at stride 2, and 3x3 transposed back.

    For even channel counts it has exactly the parameters of the convolution that it stands for, and half
    of its multiply-adds.

    Parameters
    ----------
    channels
        Channels C of input and output, at least 2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels < 2:
            raise ValueError(f"channels is {channels}; the bottleneck halves it and needs at least 2")
        self.reduce = nn.Conv2d(channels, channels // 2, 3, stride=2, padding=1, bias=False)
        nn.init.kaiming_normal_(self.reduce.weight, mode="fan_out", nonlinearity="relu")
        self.restore = _transposed(channels // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        restored: Tensor = self.restore(self.reduce(x), output_size=x.shape[-2:])
        return restored


def halve_block(block: Any) -> None:
    """Make the two 3x3 convolutions of a basic block one at stride 2 and a transposed one back, in place.

    Norms, activations, the shortcut and the names of all parameters stay as they are.

    Parameters
    ----------
    block
        A residual block of stride 1 with ``conv1`` and ``conv2``, of C channels each.
    """
    block.conv1.stride = (2, 2)
    block.conv2 = _transposed(block.conv2.in_channels, block.conv2.out_channels)
    block.register_forward_pre_hook(_restore_size)


def _restore_size(block: Any, inputs: tuple[Tensor, ...]) -> None:
    """Let the transposed convolution restore the size of the block's input: an even side needs one pixel more."""
    block.conv2.output_padding = tuple(1 - int(side) % 2 for side in inputs[0].shape[-2:])
