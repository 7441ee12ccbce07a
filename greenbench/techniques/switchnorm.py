"""Switchable normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenbench.networks.modified import modify_network
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn


@technique("Custom Nodes and Layer", "Luo et al. 2018, arXiv:1806.10779", title="SwitchNorm")
def switchnorm(recipe: Recipe) -> Recipe:
    """Switchable normalization: the network learns how much to normalize over instance, layer and batch.

    ``y = gamma * (x - sum_k w_k mu_k) / sqrt(sum_k w'_k var_k + eps) + beta`` for k in {instance, layer,
    batch}, with ``w`` and ``w'`` softmaxes of three learned logits each.

    **Source.** Luo et al. 2018, Differentiable Learning-to-Normalize via Switchable Normalization,
    arXiv:1806.10779.

    **Where.** ResNet-50: all 53 batch norms. BiSeNet: the 15 batch norms outside the backbone, as the text
    says. Any other network: those outside its residual backbone if it has one, else all of them (20 in
    torchvision's ResNet-18).

    **Settings.** Logits start at 1, so that all three count the same. ``eps``, momentum, scale, shift and the
    running averages are those of the batch norm that is replaced (the authors of the method use a momentum of
    0.003 instead of 0.1).

    **Deviations.** The variance over an instance is the biased one: three of BiSeNet's norms see 1x1 maps,
    where the unbiased variance is 0 / 0.

    **Not reproducible.** Nothing: 14,007,867 and 23,705,570 parameters print as in Tables 3 and 4.
    """
    return modify_network(recipe, switchnorm.name, replace_batch_norms)


def replace_batch_norms(network: nn.Module) -> None:
    """Put switchable norms in the place of batch norms, in place."""
    from torch import nn

    from greenbench.networks.surgery import backbone_of, none_of, swap
    from greenbench.nn.layers.switchnorm import SwitchNorm2d

    backbone = backbone_of(network)
    kept = set() if backbone is None else set(backbone.modules())
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d) and m not in kept]
    if not norms:
        raise none_of(
            switchnorm.name, "batch norms" + " outside of the backbone" * (backbone is not None), network
        )
    for norm in norms:
        momentum = 0.1 if norm.momentum is None else norm.momentum
        switchable = SwitchNorm2d(norm.num_features, eps=norm.eps, momentum=momentum)
        switchable.load_state_dict(norm.state_dict(), strict=False)
        swap(network, norm, switchable)
