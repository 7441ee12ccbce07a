"""Lion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

RATE = 0.005
WEIGHT_DECAY = 0.1


@technique("Optimizer", "Chen et al. 2023, arXiv:2302.06675", work_share=1.0)
def lion(recipe: Recipe) -> Recipe:
    """Lion: every weight moves by the same amount, in the direction of the sign of a momentum.

    ``w <- w - lr (sign(b1 m + (1 - b1) g) + wd w)``, then ``m <- b2 m + (1 - b2) g``.

    It keeps one number per weight, as SGD does and half of what Adam keeps.

    **Source.** Chen et al. 2023, Symbolic Discovery of Optimization Algorithms, arXiv:2302.06675, algorithm 2.

    **Settings.** The learning rate is 0.005 of the baseline's, and weight decay 0.1, on all parameters: a quarter of
    AdamW's rate here and four times its decay, within what the authors advise (3 to 10 times). b1 = 0.9, b2 = 0.99, the
    authors' defaults. The schedule is the baseline's. Needs `pytorch-optimizer`.

    **Deviations.** None known. Where a gradient and its momentum are 0, the sign is too, so such a weight only decays.

    **Unknown.** The best rate and decay for a workload. Steps of one length make short runs end early: 95 % on the
    digits instead of 98 %, and a mIoU of 0.53 on the scenes instead of 0.73. The authors find it better the larger the
    batch.
    """

    def optimizer(network: nn.Module, learning_rate: float) -> Optimizer:
        from greenbench.nn.optimizers.extra import pytorch_optimizer

        settings = {"lr": RATE * learning_rate, "weight_decay": WEIGHT_DECAY}
        return pytorch_optimizer("Lion", list(network.parameters()), **settings)

    return replace(recipe, optimizer=optimizer)
