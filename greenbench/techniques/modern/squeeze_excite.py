"""Squeeze and excitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn

REDUCTION = 16


@technique("Custom Nodes and Layer", "Hu et al. 2017, arXiv:1709.01507", title="Squeeze-Excite")
def squeeze_excite(recipe: Recipe) -> Recipe:
    """Squeeze and excitation: each channel is weighted by what a small network makes of all channels' means.

    ``out = x + s * F(x)`` with ``s = sigmoid(W_2 relu(W_1 mean_hw F(x)))``, where W_1 maps C channels to C / r.

    **Source.** Hu et al. 2017, Squeeze-and-Excitation Networks, arXiv:1709.01507, equations 2 to 4; torchvision's
    `SqueezeExcitation`.

    **Where.** Every residual block with torchvision's names: ResNet-50, the backbone of BiSeNet, torchvision's ResNets.
    After the branch's last norm, before the addition. A network without such blocks is skipped.

    **Settings.** r = 16, and at least one channel. Torch's default initialization.

    **Deviations.** None known. Pretrained weights know nothing of the new layers, which start by about halving the
    branches.

    **Unknown.** What fine-tuning such a network costs in the beginning.
    """
    return modify_network(recipe, squeeze_excite.name, weigh_channels)


def weigh_channels(network: nn.Module) -> None:
    """Let residual branches weigh their channels, in place."""
    from torchvision.ops import SqueezeExcitation

    from greenbench.networks.surgery import append_to_branches

    def layer(_depth: float, channels: int) -> nn.Module:
        excitation: nn.Module = SqueezeExcitation(channels, max(1, channels // REDUCTION))
        return excitation

    append_to_branches(network, squeeze_excite.name, layer)
