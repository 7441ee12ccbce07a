"""Poly learning rate with half the epochs."""

from dataclasses import replace

from greenbench.nn.schedules import poly
from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique


@technique(
    "Learning Rate Scheduler",
    "Badar et al. 2021; Chen et al. 2017, arXiv:1606.00915",
    title="Poly LR 1/2 Epochs",
    work_share=0.5,
)
def poly_half_epochs(recipe: Recipe) -> Recipe:
    """Poly learning rate with half the epochs: the same training, made half as long.

    ``lr(t) = lr0 (1 - t/T)^0.9`` over T = half of the baseline's steps. In segmentation the baseline has this
    schedule already and only its length changes. In classification it replaces the step decay and its
    warm-up.

    **Source.** Badar et al., section 4.2; the schedule is that of Chen et al. 2017, arXiv:1606.00915.

    **Settings.** Power 0.9, decaying to 0, one update per step (`torch.optim.lr_scheduler.PolynomialLR`).

    **Deviations.** None known. An odd number of epochs is halved downwards.

    **Unknown.** Whether the authors kept the warm-up in classification; here it goes with the step decay.
    """
    return replace(recipe, epochs=max(1, recipe.epochs // 2), schedule=poly)
