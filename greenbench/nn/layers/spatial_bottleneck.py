"""Spatial bottleneck: a convolution of stride 2, then a transposed one of stride 2 that restores the size.

Both work on a quarter of the positions. The transposed one is told the size to restore, because a stride of 2
maps an odd size and the next even one onto the same half.

Source: Junran Peng et al., Accelerating Deep Neural Networks with Spatial Bottleneck Modules, 2018,
arXiv:1809.02601.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


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


class SpatialBottleneckBlock(BasicBlock):  # type: ignore[misc]
    """A basic block whose two convolutions are one at stride 2 and a transposed one back.

    Norms, ReLUs, the shortcut and the names of all parameters stay where they are.

    Parameters
    ----------
    block
        The block of stride 1 that it replaces; its first convolution and its norms are taken over.
    """

    def __init__(self, block: BasicBlock) -> None:
        channels = block.conv1.in_channels
        super().__init__(channels, channels)
        self.conv1 = block.conv1
        self.conv1.stride = (2, 2)
        self.bn1, self.bn2 = block.bn1, block.bn2
        self.conv2 = _transposed(channels, channels)
        self.train(block.training)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        half = self.relu(self.bn1(self.conv1(x)))
        restored = self.bn2(self.conv2(half, output_size=x.shape[-2:]))
        out: Tensor = self.relu(restored + x)
        return out
