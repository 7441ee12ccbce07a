"""Soft dice loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from greenbench.spec.recipe import LossFunction

GAMMA = 1.0


@technique(
    "Loss Function", "Milletari et al. 2016, arXiv:1606.04797", title="Dice Loss", tasks=("segmentation",)
)
def soft_dice(recipe: Recipe) -> Recipe:
    """Soft dice: cross-entropy plus one minus the overlap of probabilities and labels.

    ``L = CE + gamma D`` with ``D = mean over classes c of 1 - 2 sum(p_c y_c) / (sum p_c + sum y_c)``. Sums
    run over the valid pixels of the batch, the mean over the classes that occur in its labels.

    **Source.** Milletari et al. 2016, V-Net, arXiv:1606.04797; Sudre et al. 2017, arXiv:1707.03237; equations
    6 and 7 of the study.

    **Settings.** gamma = 1, the best of those that the study tried.

    **Deviations.** Equation 6, read literally, sums over pixels and classes together. Both sums of its
    denominator are then the number of pixels, and it is 1 - mean(p_true). Dice losses are taken class by
    class, and so is ours. Classes without a label are left out: any probability of theirs would count as a
    full error.

    **Unknown.** Which of these the study's code did.
    """

    def loss() -> LossFunction:
        from functools import partial

        from greenbench.nn.losses.soft_dice import soft_dice

        return partial(soft_dice, gamma=GAMMA, ignore_index=recipe.ignore_index)

    return replace(recipe, loss=loss)
