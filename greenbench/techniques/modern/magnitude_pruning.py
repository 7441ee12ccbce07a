"""Magnitude pruning."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn

SHARE = 0.5


@technique("Training Procedure", "Han et al. 2015, arXiv:1506.02626", title="Pruning", work_share=1.0)
def magnitude_pruning(recipe: Recipe) -> Recipe:
    """Magnitude pruning: after training, the half of the weights that are nearest to 0 are set to 0.

    ``w <- w [|w| > t]`` with one threshold t for all layers, the median of all ``|w|``.

    **Source.** Han et al. 2015, Learning both Weights and Connections for Efficient Neural Networks, arXiv:1506.02626.

    **Where.** The weights of convolutions and linear layers; norms and biases are kept. Layers that a network holds and
    does not run count among them.

    **Settings.** Half of the weights, all layers ranked together, in one go (`torch.nn.utils.prune`). The pruned
    network is judged at the end and used at inference; it is evaluated whole while it trains.

    **Deviations.** The authors prune step by step and train on after each step, to a ninth and less of the weights. We
    do not train on.

    **Not reproducible.** Any saving at inference: dense kernels multiply by zeros as by other numbers, and parameters
    and FLOPs are counted with them.
    """

    def finish(network: nn.Module) -> nn.Module:
        from torch import nn
        from torch.nn.utils import prune

        network = recipe.finish(network)
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        prune.global_unstructured(
            [(layer, "weight") for layer in layers], pruning_method=prune.L1Unstructured, amount=SHARE
        )
        for layer in layers:
            prune.remove(layer, "weight")  # type: ignore[no-untyped-call]
        return network

    return replace(recipe, finish=finish)
