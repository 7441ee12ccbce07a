"""CoordConv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.errors import NotApplicable
from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn


@technique("Custom Nodes and Layer", "Liu et al. 2018, arXiv:1807.03247", title="CoordConv")
def coordconv(recipe: Recipe) -> Recipe:
    """CoordConv: the first convolution also sees where in the image it is.

    ``y = W * [image; x; y; r]`` with x and y running from -1 to 1 over columns and rows, and ``r = sqrt(x^2 +
    y^2)``.

    **Source.** Liu et al. 2018, An Intriguing Failing of Convolutional Neural Networks and the CoordConv
    Solution, arXiv:1807.03247.

    **Where.** ResNet-50: the 3x3 stem. BiSeNet: the backbone's 7x7 stem. Any other
    network: the convolution that is registered first, in torchvision's ResNets the 7x7 stem.

    **Settings.** Three extra channels: x, y, r. The image's weights are kept, so pretrained ones still load.

    **Deviations.** The text adds coordinates to the first layer of the backbone and to that of the spatial
    path; that would be 14.03 M parameters and 28.40 GMAC. Table 3's 14.02 and 27.16 fit one of the two, and
    we take the backbone's. The numbers cannot tell which: both are 7x7 from 3 to 64 channels at stride 2.

    **Not reproducible.** Table 4's parameters, 24.2 M and 24.3 M once its factor of ten is undone: the layer
    adds 1,728 weights to the baseline's 23.7 M and 23.9 M.
    """
    return modify_network(recipe, coordconv.name, add_coordinates)


def add_coordinates(network: nn.Module) -> None:
    """Give the first convolution of a network the pixels' coordinates, in place."""
    from greenbench.networks.surgery import first_convolution, none_of, swap
    from greenbench.nn.layers.coordconv import CoordConv2d

    stem = first_convolution(network)
    if stem is None or isinstance(stem, CoordConv2d):
        raise none_of(coordconv.name, "a first convolution without coordinates", network)
    try:
        swap(network, stem, CoordConv2d.from_conv(stem))
    except ValueError as error:
        raise NotApplicable(f"{coordconv.name}: {error}") from error
