"""A ResNet-9: the small network of the speed contests on CIFAR, for trainings of minutes.

The layout is David Page's (How to Train Your ResNet, 2018; github.com/davidcpage/cifar10-fast, MIT), written anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from greenbench.networks.resnet import initialize, scale_width, set_norm_momentum

WIDTHS = (48, 96, 192, 384)
"""Channels of the stem and of the three stages: three quarters of Page's."""
LOGIT_SCALE = 0.25
"""The maxima over whole maps would start a training with large logits."""


class ResNet9(nn.Module):
    """Eight convolutions of 3x3 and a classifier; the second and the last stage end in a residual block.

    A stage is a convolution, max-pooling, norm and ReLU. Its modules have the names that techniques look for: ``conv1``,
    ``bn1``, ``layer1`` to ``layer3``, ``fc``; the residual blocks are torchvision's, whose ReLU follows the addition.

    Parameters
    ----------
    num_classes
        Outputs of the classifier.
    width
        Factor on every channel count; at 1 it has 3,734,064 parameters for 100 classes.
    stem_stride
        Of the first convolution: 2 makes all that follows four times as cheap.
    norm_momentum
        Of the running averages.
    """

    def __init__(
        self, num_classes: int, width: float = 1.0, stem_stride: int = 2, norm_momentum: float = 0.1
    ) -> None:
        super().__init__()
        stem, *stages = (scale_width(channels, width) for channels in WIDTHS)
        self.smallest_side = 8 * stem_stride
        self.conv1 = nn.Conv2d(3, stem, 3, stride=stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(stem, stages[0], residual=True)
        self.layer2 = _stage(stages[0], stages[1], residual=False)
        self.layer3 = _stage(stages[1], stages[2], residual=True)
        self.maxpool = nn.AdaptiveMaxPool2d(1)
        self.fc = nn.Linear(stages[2], num_classes, bias=False)
        initialize(self)
        set_norm_momentum(self, norm_momentum)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, num_classes).

        Raises
        ------
        ValueError
            If a side is shorter than the network can halve: 16 px, or 8 px with a stem of stride 1.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.smallest_side:
            raise ValueError(
                f"ResNet9 got images of {height}x{width} px; its strides reduce them by {self.smallest_side} "
                f"and need at least {self.smallest_side} px a side: give larger images"
            )
        features = self.relu(self.bn1(self.conv1(images)))
        features = self.layer3(self.layer2(self.layer1(features)))
        logits: Tensor = self.fc(torch.flatten(self.maxpool(features), 1))
        return logits * LOGIT_SCALE


def _stage(channels: int, planes: int, *, residual: bool) -> nn.Sequential:
    layers: Sequence[nn.Module] = (
        nn.Conv2d(channels, planes, 3, padding=1, bias=False),
        nn.MaxPool2d(2),  # before the norm, which then has a quarter of the positions
        nn.BatchNorm2d(planes),
        nn.ReLU(inplace=True),
    )
    return nn.Sequential(*layers, *([BasicBlock(planes, planes)] if residual else []))
