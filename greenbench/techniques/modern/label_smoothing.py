"""Label smoothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from greenbench.spec.recipe import LossFunction

EPSILON = 0.1


@technique(
    "Loss Function",
    "Szegedy et al. 2015, arXiv:1512.00567",
    tasks=("classification", "segmentation"),
)
def label_smoothing(recipe: Recipe) -> Recipe:
    """Label smoothing: a small part of each label is spread evenly over all classes.

    ``L = -sum_c q_c log p_c`` with ``q_c = (1 - eps) [c = y] + eps / C``.

    The network is no longer rewarded for ever larger logits, and ends up less sure of itself.

    **Source.** Szegedy et al. 2015, Rethinking the Inception Architecture, arXiv:1512.00567, section 7.

    **Settings.** eps = 0.1, the authors' value.

    **Ignored pixels.** Neither part of the loss counts them.

    **Deviations.** None known: `torch.nn.functional.cross_entropy` does it. The training loss is not comparable with
    that of other techniques, since it cannot fall to 0.

    **Unknown.** Whether it helps in segmentation, where the authors did not try it.
    """

    def loss() -> LossFunction:
        from functools import partial

        from greenbench.nn.baselines import IGNORE_NOTHING, valid_cross_entropy

        ignored = IGNORE_NOTHING if recipe.ignore_index is None else recipe.ignore_index
        return partial(valid_cross_entropy, ignore_index=ignored, label_smoothing=EPSILON)

    return replace(recipe, loss=loss)
