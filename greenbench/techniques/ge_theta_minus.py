"""Gather-excite without parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn


@technique("Custom Nodes and Layer", "Hu et al. 2018, arXiv:1810.12348", title="GE-θ⁻")
def ge_theta_minus(recipe: Recipe) -> Recipe:
    """Gather-excite without parameters (GE-theta-minus): the average of each whole map gates its channel.

    ``g = sigmoid(mean_hw x_chw)``; then the channel is multiplied by its ``g``.

    **Source.** Hu et al. 2018, Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks,
    arXiv:1810.12348, the variant of global extent.

    **Where.** As GE-theta. ResNet-50: after each of the four stages, ``out = x + x * g``. BiSeNet's backbone:
    in each of the eight basic blocks, on the residual branch before the addition, ``out = x * g``. Any other
    network with residual stages: as GE-theta.

    **Settings.** None, and no parameters.

    **Deviations.** The text attaches the gathers to the outputs of the blocks. Parameters and FLOPs cannot
    tell where they are; we keep them where GE-theta's numbers put them.

    **Not reproducible.** Nothing: parameters and FLOPs are the baseline's, as printed.
    """
    return modify_network(recipe, ge_theta_minus.name, add_averages)


def add_averages(network: nn.Module) -> None:
    """Add parameter-free gathers to a residual network, in place."""
    from greenbench.networks.surgery import EXCITATION, append_after, excitation_places
    from greenbench.nn.layers.gather_excite import GatherExciteThetaMinus

    places, residual = excitation_places(ge_theta_minus.name, network)
    for place in places:
        append_after(network, place, EXCITATION, GatherExciteThetaMinus(residual))
