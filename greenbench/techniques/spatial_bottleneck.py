"""Spatial bottleneck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn


@technique("Custom Nodes and Layer", "Peng et al. 2018, arXiv:1809.02601", title="Sp. Bottleneck")
def spatial_bottleneck(recipe: Recipe) -> Recipe:
    """Spatial bottleneck: convolutions at half the resolution, then a transposed convolution back.

    ``y = T(C(x))`` with ``C`` a convolution of stride 2 and ``T`` a transposed one of stride 2 stand for
    convolutions at full resolution. Each works on a quarter of the positions.

    **Source.** Peng et al. 2018, Accelerating Deep Neural Networks with Spatial Bottleneck Modules,
    arXiv:1809.02601.

    **Where.** Residual blocks of stride 1 alone; strided blocks stay as they are. ResNet-50 (13 blocks): the
    3x3 from w to w channels becomes a 3x3 from w to w/2 at stride 2, directly followed by a transposed 3x3
    from w/2 to w. BiSeNet's backbone (5 blocks: both of stage 1, the second of stages 2 to 4): the two 3x3 of
    the block become a 3x3 at stride 2 and a transposed 3x3, with the block's norms and ReLU in between.

    **Settings.** Factor k = 2.

    **Deviations.** The study's text names the ResNet-18 backbone only; the places in ResNet-50 are those that
    give Table 4's numbers. The parameters do not change. The FLOPs in the tables leave out the transposed
    convolutions, so the saving is smaller than printed: 16.87 against 15.36 GMAC at 512x1024, 0.930 against
    0.868 GMAC at 32x32.

    **Not reproducible.** Table 4 prints 0.86 for the 0.8684 GMAC that we count: truncated.
    """
    return modify_network(recipe, spatial_bottleneck.name, add_bottlenecks)


def add_bottlenecks(network: nn.Module) -> None:
    """Give the blocks of stride 1 a spatial bottleneck, in place."""
    from torch import nn
    from torchvision.models.resnet import Bottleneck

    from greenbench.networks.surgery import backbone_of, refuse_no_change, stages_of
    from greenbench.nn.layers.spatial_bottleneck import SpatialBottleneck2d, SpatialBottleneckBlock

    places = 0
    for stage in stages_of(backbone_of(network)):
        for name, block in stage.named_children():
            if isinstance(block, Bottleneck):
                conv = block.conv2
                if block.stride != 1 or not isinstance(conv, nn.Conv2d):
                    continue
                block.conv2 = SpatialBottleneck2d(conv.in_channels)
            elif block.downsample is None and type(block) is not SpatialBottleneckBlock:
                stage.add_module(name, SpatialBottleneckBlock(block))
            else:
                continue
            places += 1
    refuse_no_change(places, spatial_bottleneck.name, network)
