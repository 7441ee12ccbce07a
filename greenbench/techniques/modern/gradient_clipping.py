"""Gradient clipping."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Inputs, Recipe, Trainer, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import Tensor

MAX_NORM = 1.0


@technique("Training Procedure", "Pascanu et al. 2012, arXiv:1211.5063", work_share=1.0)
def gradient_clipping(recipe: Recipe) -> Recipe:
    """Gradient clipping: a gradient that is longer than a bound is shortened to it.

    ``g <- g min(1, c / ||g||)``, with the norm of all gradients together.

    **Source.** Pascanu et al. 2012, On the Difficulty of Training Recurrent Neural Networks, arXiv:1211.5063, algorithm
    1.

    **Settings.** c = 1, the usual bound. Weight decay is added after it, in the optimizer.

    **Deviations.** None known: `torch.nn.utils.clip_grad_norm_` does it.

    **Unknown.** The best bound; the authors advise a multiple of the norm's average, which differs by network.
    """

    def gradients(trainer: Trainer, inputs: Inputs, targets: WeightedTargets) -> Tensor:
        from torch.nn.utils import clip_grad_norm_

        objective = recipe.gradients(trainer, inputs, targets)
        clip_grad_norm_(trainer.network.parameters(), MAX_NORM)
        return objective

    return replace(recipe, gradients=gradients)
