"""Spatial bottleneck."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

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
    the block become a 3x3 at stride 2 and a transposed 3x3, with the block's norms and ReLU in between. Any
    other network: the bottlenecks and basic blocks of stride 1, by the same rules, whose 3x3 are neither grouped
    nor dilated.

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
    from greenbench.networks.surgery import blocks_of, none_of, swap
    from greenbench.nn.layers.spatial_bottleneck import SpatialBottleneck2d, halve_block

    places = 0
    for block in blocks_of(network):
        conv1, conv2 = block.get_submodule("conv1"), block.get_submodule("conv2")
        if not all(getattr(layer, "stride", 1) in (1, (1, 1)) for layer in block.modules()):
            continue
        if not _is_plain(conv2):
            continue
        if hasattr(block, "conv3"):
            swap(block, conv2, SpatialBottleneck2d(conv2.in_channels))
        elif _is_plain(conv1):
            halve_block(block)
        else:
            continue
        places += 1
    if places == 0:
        raise none_of(
            spatial_bottleneck.name, "residual blocks of stride 1 with plain 3x3 convolutions", network
        )


def _is_plain(conv: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a 3x3 convolution of all channels to as many, without dilation and bias."""
    from torch import nn

    return (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size == (3, 3)
        and conv.in_channels == conv.out_channels
        and (conv.padding, conv.dilation, conv.groups, conv.bias) == ((1, 1), (1, 1), 1, None)
    )
