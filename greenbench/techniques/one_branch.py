"""One-branch BiSeNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn


@technique(
    "Architecture Modification",
    "Yu et al. 2018, arXiv:1808.00897",
    title="One-Branch",
    tasks=("segmentation",),
)
def one_branch(recipe: Recipe) -> Recipe:
    """One-branch BiSeNet: the spatial path is taken out.

    BiSeNet fuses two paths, ``FFM(cat(spatial(x), context(x)))``. Without the spatial path the fusion sees
    the context alone: ``FFM(context(x))``. The question is what the second path is worth.

    **Source.** The ablation of Yu et al. 2018, BiSeNet, arXiv:1808.00897; section 4.1 of the study.

    **Where.** BiSeNet: the four layers of the spatial path go; the fusion's 1x1 convolution takes 128
    channels instead of 256. Everything else stays, under the same names. It has no meaning for any
    other network.

    **Settings.** None.

    **Deviations.** None known: 13,883,041 parameters and 22.85 GMAC at 512x1024 are Table 3's.

    **Not reproducible.** Nothing.
    """
    return modify_network(recipe, one_branch.name, remove_spatial_path)


def remove_spatial_path(network: nn.Module) -> None:
    """Take the spatial path out of a BiSeNet, in place."""
    from greenbench.networks.bisenet import BiSeNet, ConvNormRelu
    from greenbench.networks.resnet import initialize
    from greenbench.networks.surgery import none_of

    bisenet = next((module for module in network.modules() if isinstance(module, BiSeNet)), None)
    if bisenet is None or bisenet.spatial_path is None:
        raise none_of(one_branch.name, "a BiSeNet with a spatial path", network)
    bisenet.spatial_path = None
    old: Any = bisenet.fusion.conv[0]
    fusion = ConvNormRelu(old.in_channels // 2, old.out_channels, 1)
    initialize(fusion)
    bisenet.fusion.conv[0] = fusion[0]
