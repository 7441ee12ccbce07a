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
    says.

    **Settings.** Logits start at 1, so that all three count the same. ``eps`` and the momentum of the running
    averages are those of the batch norm that is replaced (the authors of the method use 0.003 instead of
    0.1).

    **Deviations.** The variance over an instance is the biased one: three of BiSeNet's norms see 1x1 maps,
    where the unbiased variance is 0 / 0.

    **Not reproducible.** Nothing: 14,007,867 and 23,705,570 parameters print as in Tables 3 and 4.
    """
    return modify_network(recipe, switchnorm.name, replace_batch_norms)


def replace_batch_norms(network: nn.Module) -> None:
    """Put switchable norms in the place of batch norms, in place."""
    from torch import nn

    from greenbench.networks.bisenet import BiSeNet
    from greenbench.networks.surgery import backbone_of, refuse_no_change
    from greenbench.nn.layers.switchnorm import SwitchNorm2d

    resnet = backbone_of(network)
    kept = {id(module) for module in resnet.modules()} if isinstance(network, BiSeNet) else set()
    places = 0
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d) and id(child) not in kept:
                momentum = 0.1 if child.momentum is None else child.momentum
                norm = SwitchNorm2d(child.num_features, eps=child.eps, momentum=momentum)
                parent.add_module(name, norm.to(child.weight.device))
                places += 1
    refuse_no_change(places, switchnorm.name, network)
