"""ResNet (He et al. 2015, arXiv:1512.03385), assembled from torchvision's blocks.

Modules have torchvision's names (``conv1``, ``bn1``, ``layer1`` ... ``layer4``, ``fc``), so that its
published weights load. Beyond torchvision's class it offers what the study needs: the 3x3 stem without
max-pooling for small images, and a width factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.resnet import BasicBlock, Bottleneck

STAGE_WIDTHS = (64, 128, 256, 512)

Stem = Literal["3x3", "7x7"]


def scale_width(channels: int, width: float) -> int:
    """Return `channels` times the width factor, at least 4."""
    return max(4, round(channels * width))


class ResNet(nn.Module):
    """A residual network of four stages.

    Parameters
    ----------
    block
        torchvision's ``BasicBlock`` (expansion 1) or ``Bottleneck`` (expansion 4, stride on its 3x3).
    blocks_per_stage
        Four numbers: ResNet-18 is (2, 2, 2, 2), ResNet-50 is (3, 4, 6, 3).
    num_classes
        Outputs of the final linear layer.
    width
        Factor on every channel count.
    stem
        ``3x3``: stride 1 and no pooling, for 32 and 64 px images; ``7x7``: stride 2 and max-pooling.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks_per_stage: Sequence[int],
        num_classes: int,
        width: float = 1.0,
        stem: Stem = "3x3",
    ) -> None:
        super().__init__()
        stem_width = scale_width(STAGE_WIDTHS[0], width)
        if stem == "3x3":
            self.conv1 = nn.Conv2d(3, stem_width, 3, padding=1, bias=False)
            self.maxpool: nn.Module = nn.Identity()
            self.smallest_side = 8
        else:
            self.conv1 = nn.Conv2d(3, stem_width, 7, stride=2, padding=3, bias=False)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            self.smallest_side = 32
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.relu = nn.ReLU(inplace=True)

        channels = stem_width
        self.stage_channels: list[int] = []
        for index, (base, blocks) in enumerate(zip(STAGE_WIDTHS, blocks_per_stage, strict=True)):
            planes = scale_width(base, width)
            stage = _stage(block, channels, planes, blocks, stride=1 if index == 0 else 2)
            self.add_module(f"layer{index + 1}", stage)
            channels = planes * block.expansion
            self.stage_channels.append(channels)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        initialize(self)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of the four stages for images (N, 3, H, W).

        Raises
        ------
        ValueError
            If a side is shorter than the network can halve: 8 px with the 3x3 stem, 32 px with the 7x7.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.smallest_side:
            raise ValueError(
                f"ResNet got images of {height}x{width} px; its strides reduce them by {self.smallest_side} "
                f"and need at least {self.smallest_side} px a side: give larger images"
            )
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        outputs = []
        for index in range(len(STAGE_WIDTHS)):
            features = self.get_submodule(f"layer{index + 1}")(features)
            outputs.append(features)
        return outputs

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, num_classes)."""
        pooled: Tensor = self.avgpool(self.stages(images)[-1])
        logits: Tensor = self.fc(torch.flatten(pooled, 1))
        return logits


def _stage(
    block: type[BasicBlock] | type[Bottleneck], channels: int, planes: int, blocks: int, stride: int
) -> nn.Sequential:
    out_channels = planes * block.expansion
    shortcut = None
    if stride != 1 or channels != out_channels:
        shortcut = nn.Sequential(
            nn.Conv2d(channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
        )
    first = block(channels, planes, stride, shortcut)
    return nn.Sequential(first, *(block(out_channels, planes) for _ in range(blocks - 1)))


def initialize(network: nn.Module) -> None:
    """Draw the weights of convolutions before a norm as He et al. 2015 (arXiv:1502.01852), with fan-out.

    Classifiers, the only convolutions with a bias, keep torch's default: fan-out over a few classes would
    start them with logits far from zero.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def set_norm_momentum(network: nn.Module, momentum: float) -> None:
    """Set the momentum of all batch norms' running averages; a run of few steps needs a larger one."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.momentum = momentum


def resnet50(
    num_classes: int,
    width: float = 1.0,
    blocks_per_stage: Sequence[int] = (3, 4, 6, 3),
    norm_momentum: float = 0.1,
) -> ResNet:
    """Build the study's classification network: ResNet-50 with the 3x3 stem.

    At width 1 it has 23,705,252 parameters for 100 classes and 23,910,152 for 200.
    """
    network = ResNet(Bottleneck, blocks_per_stage, num_classes, width, stem="3x3")
    set_norm_momentum(network, norm_momentum)
    return network


def resnet18_backbone(width: float = 1.0, blocks_per_stage: Sequence[int] = (2, 2, 2, 2)) -> ResNet:
    """Build the segmentation backbone: ResNet-18 as trained on ImageNet, its unused fc included."""
    return ResNet(BasicBlock, blocks_per_stage, 1000, width, stem="7x7")
