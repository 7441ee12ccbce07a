"""LookAhead."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn

    from greenbench.nn.optimizers.lookahead import Lookahead


@technique("Optimizer", "Zhang et al. 2019, arXiv:1907.08610", title="LookAhead", work_share=1.0)
def lookahead(recipe: Recipe) -> Recipe:
    """LookAhead: fast weights run k steps ahead, slow weights follow part of the way.

    Every k steps ``slow <- slow + alpha (fast - slow)``, then ``fast <- slow``. In between, the inner
    optimizer moves the fast weights. Its own state (momentum) is left alone.

    **Source.** Zhang et al. 2019, arXiv:1907.08610, algorithm 1.

    **Settings.** k = 5, alpha = 0.5, inner optimizer and schedule of the baseline, as in the study. The slow
    weights start at the initial weights. They are the ones that are evaluated.

    **Deviations.** None known. The slow weights are saved with the optimizer's state, which the authors' code
    drops, so that an interrupted run resumes exactly.

    **Unknown.** Whether the study evaluated slow or fast weights.
    """

    def optimizer(network: nn.Module, learning_rate: float) -> Lookahead:
        from greenbench.nn.optimizers.lookahead import Lookahead

        return Lookahead(recipe.optimizer(network, learning_rate), k=5, alpha=0.5)

    return replace(recipe, optimizer=optimizer)
