"""Gather-excite with parameters."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from greenbench.errors import NotApplicable
from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe, Size
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn


@technique("Custom Nodes and Layer", "Hu et al. 2018, arXiv:1810.12348", title="GE-θ", fixed_input_size=True)
def ge_theta(recipe: Recipe) -> Recipe:
    """Gather-excite with parameters (GE-theta): a learned summary of each whole map gates its channel.

    ``g = sigmoid(BN(sum_hw w_chw x_chw))``, a depthwise convolution whose kernel is the whole map; then the
    channel is multiplied by its ``g``.

    **Source.** Hu et al. 2018, Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks,
    arXiv:1810.12348, the variant of global extent.

    **Where.** ResNet-50: one gather after each of the four stages, ``out = x + x * g``. BiSeNet's backbone:
    one in each of the eight basic blocks, on the residual branch after its second norm and before the
    addition, ``out = x * g``. Any other network with residual stages ``layer1`` to ``layer4``, such as
    torchvision's ResNets: as ResNet-50, or as BiSeNet where convolutions lie outside of the residual network.

    **Settings.** The kernels are as large as the maps, which a pass on torch's meta device measures. So the
    parameters depend on the size of the images, and a network works for that size alone.

    **Deviations.** The original gathers with a chain of strided depthwise convolutions; one kernel over the
    whole map is what gives the tables' parameters. The text attaches the gathers to the outputs of the
    blocks; Table 4's parameters fit stages. At 512x1024 we count 25.939 GMAC, which Table 3 truncates to
    25.93.

    **Not reproducible.** Table 3's 25.05 M parameters for COCO-Stuff: 25.01 M at the 640x1144 that all FLOPs
    of that column fit, 20.16 M at the stated 640x640. How the study evaluated Cityscapes, whose images are
    larger than the maps' kernels allow, is not said.

    **Evaluation.** Where images are evaluated at sizes of their own (CamVid, Cityscapes, COCO-Stuff), this
    technique is evaluated by tiles of the training size: as few as cover the image, evenly spaced, their
    logits averaged where they overlap; an image smaller than a tile is padded as in training. It is
    compared with a baseline that is evaluated by the same tiles, a training of its own, and never with
    scores of full images: the table and the records say which evaluation it was.
    """
    if recipe.image_size is None:
        raise NotApplicable(
            f"{ge_theta.name} builds its kernels for one size of images; this recipe for {recipe.task} states none"
        )
    return modify_network(recipe, ge_theta.name, partial(add_gathers, image_size=recipe.image_size))


def add_gathers(network: nn.Module, image_size: Size) -> None:
    """Add learned gathers to a residual network for images of `image_size`, in place."""
    from greenbench.networks.surgery import EXCITATION, append_after, excitation_places, map_shapes
    from greenbench.nn.layers.gather_excite import GatherExciteTheta

    places, residual = excitation_places(ge_theta.name, network)
    shapes = map_shapes(ge_theta.name, network, places, image_size)
    for place, (_, channels, *size) in zip(places, shapes, strict=True):
        append_after(network, place, EXCITATION, GatherExciteTheta(channels, (size[0], size[1]), residual))
