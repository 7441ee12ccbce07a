"""RAdam."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn

    from greenbench.nn.optimizers.radam import RAdam


@technique("Optimizer", "Liu et al. 2019, arXiv:1908.03265", title="RAdam")
def radam(recipe: Recipe) -> Recipe:
    """RAdam: Adam whose adaptive rate is rectified for the variance that it has after few steps.

    The length of the moving average is ``rho_t = rho_inf - 2 t b2^t / (1 - b2^t)``, with
    ``rho_inf = 2 / (1 - b2) - 1``. Then

    ``r_t = sqrt((rho_t - 4)(rho_t - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_t))``

    ``w <- w - lr wd w``, then ``w <- w - lr r_t sqrt(1 - b2^t) / (1 - b1^t) m_t / (sqrt(v_t) + eps)``

    and no step at all while ``rho_t < 5``: at b2 = 0.999, the first five steps.

    **Source.** Liu et al. 2019, On the Variance of the Adaptive Learning Rate and Beyond, arXiv:1908.03265,
    in the form of the authors' optimizer (decoupled weight decay); section 4.4 of the study.

    **Settings.** The authors' defaults: b1 = 0.9, b2 = 0.999, eps = 1e-8. Parameter groups, learning rate,
    schedule and weight decay stay the baseline's, as the study says: 0.1 in classification, 0.025 and 0.01 in
    segmentation, which is 10 to 100 times what Adam is usually run with.

    **Implementation.** Our own, on torch's fused AdamW kernel. `pytorch_optimizer.RAdam` is the same method
    and the tests' oracle; ours takes a fraction of its time and saves the dependency. `torch.optim.RAdam` is
    another method: coupled decay by default, and steps of momentum where the authors take none.

    **Deviations.** Steps are counted per parameter group, not per parameter.

    **Unknown.** Whether the study's learning rate was really the baseline's; its drop in accuracy fits a rate
    that is too large.
    """

    def optimizer(network: nn.Module, learning_rate: float) -> RAdam:
        from greenbench.nn.optimizers.radam import RAdam

        replaced = recipe.optimizer(network, learning_rate)
        kept = ("params", "lr", "weight_decay")
        return RAdam([{key: group[key] for key in kept} for group in replaced.param_groups])

    return replace(recipe, optimizer=optimizer)
