"""Focal loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from greenbench.spec.recipe import LossFunction

GAMMA = 2.0


@technique("Loss Function", "Lin et al. 2017, arXiv:1708.02002", title="Focal Loss")
def focal(recipe: Recipe) -> Recipe:
    """Focal loss: cross-entropy in which well classified samples count less.

    ``L = mean of -(1 - p_t)^gamma log p_t`` over valid pixels or images, ``p_t`` the probability of the true
    class.

    **Source.** Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv:1708.02002; equation 8 of the
    study.

    **Settings.** gamma = 2; no class weights.

    **Deviations.** The study's equation is a sum over pixels. Ours is the mean, as the baseline's
    cross-entropy is, so that the learning rate keeps its meaning. The method's authors use a sigmoid per
    class; the study, and ours, the softmax.

    **Unknown.** The study's reduction, and whether it used the authors' class weight alpha, which its
    equation lacks.
    """

    def loss() -> LossFunction:
        from functools import partial

        from greenbench.nn.losses.focal import focal

        return partial(focal, gamma=GAMMA, ignore_index=recipe.ignore_index)

    return replace(recipe, loss=loss)
