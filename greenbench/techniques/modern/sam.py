"""Sharpness-aware minimization."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Inputs, Recipe, Trainer, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import Tensor

RHO = 0.05


@technique("Optimizer", "Foret et al. 2020, arXiv:2010.01412", title="SAM", work_share=2.0)
def sam(recipe: Recipe) -> Recipe:
    """SAM: the gradient is taken at the worst point near the weights, where the loss is higher.

    ``e = rho g / ||g||`` with ``g = grad L(w)``, then a step from w with ``grad L(w + e)``. Minima whose surroundings
    are flat are sought; each step takes two passes.

    **Source.** Foret et al. 2020, arXiv:2010.01412, algorithm 1.

    **Settings.** rho = 0.05, the authors' choice for CIFAR and ImageNet; the norm is that of all gradients together.
    Optimizer and schedule are the baseline's.

    **Deviations.** Both passes see the same batch, on one device: the authors perturb by shard (m-sharpness). Weights
    come back from a copy, bit for bit, and so do the norms' running statistics, which only the first pass moves. What
    draws at random inside the network, such as stochastic depth, draws anew in the second pass.

    **Unknown.** The best rho for networks as small as those of the smoke runs.
    """

    def gradients(trainer: Trainer, inputs: Inputs, targets: WeightedTargets) -> Tensor:
        import torch

        objective = recipe.gradients(trainer, inputs, targets)
        slopes = {p: p.grad for p in trainer.network.parameters() if p.grad is not None}
        moved = [*slopes, *trainer.network.buffers()]
        with torch.no_grad():
            before = [tensor.clone() for tensor in moved]
            scale = RHO / (torch.nn.utils.get_total_norm(slopes.values()) + 1e-12)
            for parameter, slope in slopes.items():
                parameter.addcmul_(slope, scale)
        recipe.gradients(trainer, inputs, targets)
        with torch.no_grad():
            for tensor, kept in zip(moved, before, strict=True):
                tensor.copy_(kept)
        return objective

    return replace(recipe, gradients=gradients)
