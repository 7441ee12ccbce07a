"""Boundary label relaxation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from greenbench.spec.recipe import LossFunction


@technique(
    "Loss Function", "Zhu et al. 2018, arXiv:1812.01593", title="Label Relaxation", tasks=("segmentation",)
)
def label_relaxation(recipe: Recipe) -> Recipe:
    """Boundary label relaxation: near a boundary, any class of the neighborhood is right.

    ``L = mean over pixels of -log sum of p_c`` over the classes c in the pixel's 3x3 neighborhood. Away from
    boundaries this is the cross-entropy; on them it is never above it.

    **Source.** Zhu et al. 2018, Improving Semantic Segmentation via Video Propagation and Label Relaxation,
    arXiv:1812.01593; equations 4 and 5 of the study.

    **Settings.** 3x3 neighborhood.

    **Ignored pixels.** They and what lies beyond the border add no class. A pixel counts if its neighborhood
    holds a class, so an ignored pixel beside a labeled one counts.

    **Deviations.** From the authors' public code: no class weights and no larger window, which neither paper
    states; the mean is over the counted pixels of the batch, where that code divides a sum over images by
    each image's own count; computed in logarithms, so that confident errors stay finite.

    **Unknown.** The class weights, and the upper bound on them, that the study may have inherited.
    """

    def loss() -> LossFunction:
        from functools import partial

        from greenbench.nn.losses.label_relaxation import label_relaxation

        return partial(label_relaxation, ignore_index=recipe.ignore_index)

    return replace(recipe, loss=loss)
