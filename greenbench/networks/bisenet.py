"""BiSeNet with a ResNet-18 context path (Yu et al. 2018, arXiv:1808.00897), as the study counts it.

Modules and channels are those that give Table 3 of the study: 14,007,777 parameters for 19 classes, among
them the backbone's ImageNet classifier and two auxiliary heads. The study computes no gradient for either;
here they are registered and never run.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from greenbench.networks.resnet import initialize, resnet18_backbone, scale_width, set_norm_momentum

SMALLEST_SIDE = 32
"""The backbone halves the image five times; a smaller side would vanish."""


def resize(features: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Interpolate bilinearly to (height, width), corners aligned, as everywhere in this network."""
    return F.interpolate(features, size=tuple(size), mode="bilinear", align_corners=True)


class ConvNormRelu(nn.Sequential):
    """Convolution without bias (padding ``kernel // 2``), batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class SpatialPath(nn.Sequential):
    """Four shallow layers that keep 1/8 of the resolution."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(
            ConvNormRelu(3, channels, 7, stride=2),
            ConvNormRelu(channels, channels, 3, stride=2),
            ConvNormRelu(channels, channels, 3, stride=2),
            ConvNormRelu(channels, out_channels, 1),
        )


class AttentionRefinement(nn.Module):
    """A 3x3 layer whose channels are weighted by their own global average (section 3.2 of BiSeNet)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormRelu(in_channels, out_channels, 3)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in, h, w) to (N, out, h, w)."""
        refined: Tensor = self.conv(features)
        weights: Tensor = self.attention(refined)
        return refined * weights


class FeatureFusion(nn.Module):
    """Joins the paths' features and weights the channels of the result (section 3.2 of BiSeNet)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormRelu(in_channels, out_channels, 1)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Fuse maps of one size (N, c_i, h, w) into (N, out, h, w)."""
        fused: Tensor = self.conv(torch.cat(features, dim=1) if len(features) > 1 else features[0])
        weights: Tensor = self.attention(fused)
        return fused + fused * weights


class Head(nn.Sequential):
    """A 3x3 layer and the classifier."""

    def __init__(self, in_channels: int, channels: int, num_classes: int) -> None:
        super().__init__(ConvNormRelu(in_channels, channels, 3), nn.Conv2d(channels, num_classes, 1))


class BiSeNet(nn.Module):
    """The study's segmentation network.

    Parameters
    ----------
    num_classes
        Number of classes.
    width
        Factor on every channel count.
    norm_momentum
        Of all batch norms' running averages.
    blocks_per_stage
        Of the backbone.
    """

    def __init__(
        self,
        num_classes: int,
        width: float = 1.0,
        norm_momentum: float = 0.1,
        blocks_per_stage: Sequence[int] = (2, 2, 2, 2),
    ) -> None:
        super().__init__()
        narrow, path, wide = (scale_width(channels, width) for channels in (64, 128, 256))
        self.backbone = resnet18_backbone(width, blocks_per_stage)
        _, _, channels16, channels32 = self.backbone.stage_channels
        self.spatial_path: nn.Module | None = SpatialPath(narrow, path)
        self.global_context = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvNormRelu(channels32, path, 1))
        self.arm32 = AttentionRefinement(channels32, path)
        self.arm16 = AttentionRefinement(channels16, path)
        self.refine16 = ConvNormRelu(path, path, 3)
        self.refine8 = ConvNormRelu(path, path, 3)
        self.fusion = FeatureFusion(2 * path, wide)
        self.head = Head(wide, narrow, num_classes)
        self.aux_head16 = Head(path, wide, num_classes)
        self.aux_head8 = Head(path, wide, num_classes)
        initialize(self)
        set_norm_momentum(self, norm_momentum)

    def forward(self, images: Tensor, upsample: bool = True) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, num_classes, H, W); to those of `coarse_logits` without upsampling.

        Raises
        ------
        ValueError
            If a side is shorter than 32 px.
        """
        logits = self.coarse_logits(images)
        return resize(logits, images.shape[-2:]) if upsample else logits

    def coarse_logits(self, images: Tensor) -> Tensor:
        """Map images (N, 3, H, W) to logits (N, num_classes, H / 8, W / 8), which the network then upsamples.

        Raises
        ------
        ValueError
            If a side is shorter than 32 px.
        """
        height, width = images.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            raise ValueError(
                f"BiSeNet got images of {height}x{width} px; it halves them five times and needs at least "
                f"{SMALLEST_SIDE} px a side: give larger images"
            )
        _, map8, map16, map32 = self.backbone.stages(images)
        context32 = self.arm32(map32) + self.global_context(map32)
        context16 = self.refine16(resize(context32, map16.shape[-2:]))
        context8 = self.refine8(resize(self.arm16(map16) + context16, map8.shape[-2:]))
        paths = [context8] if self.spatial_path is None else [self.spatial_path(images), context8]
        logits: Tensor = self.head(self.fusion(paths))
        return logits
