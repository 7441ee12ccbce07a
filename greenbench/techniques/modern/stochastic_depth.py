"""Stochastic depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn

DEEPEST_RATE = 0.2


@technique("Architecture Modification", "Huang et al. 2016, arXiv:1603.09382")
def stochastic_depth(recipe: Recipe) -> Recipe:
    """Stochastic depth: residual branches are dropped at random in training, deeper ones more often.

    ``out = x + b F(x) / (1 - p_l)`` with ``b ~ Bernoulli(1 - p_l)`` and ``p_l = p_L l / L`` for block l of L. Networks
    are used whole, with ``b = 1`` and no factor.

    **Source.** Huang et al. 2016, Deep Networks with Stochastic Depth, arXiv:1603.09382.

    **Where.** Every residual block with torchvision's names: ResNet-50, the backbone of BiSeNet, torchvision's ResNets.
    After the branch's last norm, before the addition. A network without such blocks is skipped.

    **Settings.** p_L = 0.2, drawn for each image, as in Swin-T and EfficientNet. The paper drops the last of its 54
    blocks with 0.5; networks of 8 or 16 blocks have less to spare.

    **Deviations.** The paper drops a block for the whole batch and saves its work; drawn by image, nothing is saved.
    The factor stands in training instead of in use, which gives the same mean.

    **Unknown.** The best p_L. It is meant for deep networks and long runs; short runs lose by it.
    """
    return modify_network(recipe, stochastic_depth.name, drop_branches)


def drop_branches(network: nn.Module) -> None:
    """Let residual branches be dropped in training, in place."""
    from torchvision.ops import StochasticDepth

    from greenbench.networks.surgery import append_to_branches

    append_to_branches(
        network, stochastic_depth.name, lambda depth, _channels: StochasticDepth(DEEPEST_RATE * depth, "row")
    )
