"""Focal loss: cross-entropy that counts what is already well classified for less.

L = mean over valid pixels or images of -(1 - p_t)^gamma log p_t,  p_t the probability of the true class

**Source.** Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv:1708.02002; equation 8 of the
study.

**Settings.** gamma = 2; no class weights.

**Deviations.** The study's equation is a sum over pixels; ours is the mean, as the baseline's
cross-entropy is, so that the learning rate keeps its meaning. The method's authors use a sigmoid per
class; the study, and ours, the softmax.

**Unknown.** The study's reduction, and whether it used the authors' class weight alpha, which its
equation lacks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.recipe import Recipe, Technique

if TYPE_CHECKING:
    from greenbench.recipe import LossFunction

GAMMA = 2.0


def focal(recipe: Recipe) -> Recipe:
    """Replace the recipe's loss."""

    def loss() -> LossFunction:
        from functools import partial

        from greenbench.nn.losses.focal import focal

        return partial(focal, gamma=GAMMA, ignore_index=recipe.ignore_index)

    return replace(recipe, loss=loss)


TECHNIQUE = Technique(
    name="focal",
    title="Focal Loss",
    category="Loss Function",
    citation="Lin et al. 2017, arXiv:1708.02002",
    apply=focal,
)
