"""Schedule-Free SGD."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

RATE = 10.0
WARM_UP = 0.05


@technique("Optimizer", "Defazio et al. 2024, arXiv:2405.15682", title="Schedule-Free", work_share=1.0)
def schedule_free(recipe: Recipe) -> Recipe:
    """Schedule-Free: averaging takes the place of a learning rate that decays.

    ``y = (1 - b) z + b x``, ``z <- z - lr grad L(y)``, ``x <- (1 - c) x + c z`` with ``c_t = lr_t^2 / sum_{i <= t}
    lr_i^2``. Gradients are taken at y; x, an average of all z, is evaluated. There is no other momentum.

    **Source.** Defazio et al. 2024, The Road Less Scheduled, arXiv:2405.15682.

    **Settings.** SGD with b = 0.9. The learning rate is 10 times the baseline's, the least of the authors' 10 to 50,
    since a momentum of 0.9 multiplies the baseline's by as much. It rises linearly over the first twentieth of the run
    and stays. Weight decay is 0.0005, taken at y. Needs `pytorch-optimizer`.

    **Deviations.** Running means and variances of norms are those seen at y, which training uses, not at x. The authors
    recompute them before every evaluation, from passes over training images that a run would have to pay for.

    **Unknown.** What recomputed statistics would add.
    """

    def optimizer(network: nn.Module, learning_rate: float) -> Optimizer:
        from greenbench.nn.baselines import WEIGHT_DECAY
        from greenbench.nn.optimizers.extra import pytorch_optimizer

        settings = {"lr": RATE * learning_rate, "weight_decay": WEIGHT_DECAY}
        return pytorch_optimizer("ScheduleFreeSGD", list(network.parameters()), **settings)

    def schedule(optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> LRScheduler:
        from torch.optim.lr_scheduler import LinearLR

        steps = max(1, round(WARM_UP * steps_per_epoch * epochs))
        return LinearLR(optimizer, start_factor=1 / steps, total_iters=steps - 1)

    return replace(recipe, optimizer=optimizer, schedule=schedule)
