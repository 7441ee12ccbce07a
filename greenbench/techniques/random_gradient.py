"""Random gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


@technique("Learning Rate Scheduler", "Wei 2018, arXiv:1808.04293", title="Random Grad.", work_share=1.0)
def random_gradient(recipe: Recipe) -> Recipe:
    """Random gradient: each mini-batch's learning rate is multiplied by a random number.

    ``lr_t = r_t lr(t)`` with ``r_t ~ U(0, 1)``, one draw per optimizer step for all parameter groups. The
    schedule never sees the draw. The mean learning rate is half of the baseline's.

    **Source.** Wei 2018, Fast, Better Training Trick: Random Gradient, arXiv:1808.04293; section 4.2 of the
    study.

    **Settings.** None: optimizer and schedule are the baseline's.

    **Deviations.** The method's abstract multiplies the loss, the study the learning rate; ours is the
    study's. The two are equal for plain SGD alone. With momentum, a scaled loss shrinks what the batch leaves
    in the momentum buffer, a scaled rate only this step. Weight decay is scaled with the rate, but not with
    the loss.

    **Unknown.** Which of the two the study's code did.
    """

    def optimizer(network: nn.Module, learning_rate: float) -> Optimizer:
        from greenbench.nn.optimizers.random_gradient import RandomGradient

        return RandomGradient(recipe.optimizer(network, learning_rate))

    return replace(recipe, optimizer=optimizer)
