"""Random gradient: each mini-batch's learning rate is multiplied by a random number.

lr_t = r_t lr(t),  r_t ~ U(0, 1), one draw per optimizer step for all parameter groups. The schedule never
sees the draw. The mean learning rate is half of the baseline's.

**Source.** Wei 2018, Fast, Better Training Trick: Random Gradient, arXiv:1808.04293; section 4.2 of the
study.

**Settings.** None: U(0, 1), optimizer and schedule of the baseline.

**Deviations.** The method's own abstract multiplies the loss, the study the learning rate; ours is the
study's. They are equal for plain SGD alone: with momentum, a scaled loss shrinks what the batch leaves in
the momentum buffer, while a scaled rate shrinks only this step; and weight decay is scaled with the rate
but not with the loss.

**Unknown.** Which of the two the study's code did.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.recipe import Recipe, Technique

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def random_gradient(recipe: Recipe) -> Recipe:
    """Randomize the learning rate of the recipe's optimizer."""

    def optimizer(network: nn.Module) -> Optimizer:
        from greenbench.nn.optimizers.random_gradient import randomize_learning_rate

        return randomize_learning_rate(recipe.optimizer(network))

    return replace(recipe, optimizer=optimizer)


TECHNIQUE = Technique(
    name="random_gradient",
    title="Random Grad.",
    category="Learning Rate Scheduler",
    citation="Wei 2018, arXiv:1808.04293",
    apply=random_gradient,
)
