"""LookAhead: fast weights run k steps ahead, slow weights follow part of the way.

Every k steps: slow <- slow + alpha (fast - slow), fast <- slow. In between, the inner optimizer moves the
fast weights; its own state (momentum) is left alone.

**Source.** Zhang et al. 2019, arXiv:1907.08610, algorithm 1.

**Settings.** k = 5, alpha = 0.5, inner optimizer and schedule of the baseline, as in the study. The slow
weights start at the initial weights.

**Deviations.** None known. The slow weights are saved with the optimizer's state, which the authors'
code drops, so that an interrupted run resumes exactly. Results are evaluated on the slow weights.

**Unknown.** Whether the study evaluated slow or fast weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.recipe import Recipe, Technique

if TYPE_CHECKING:
    from torch import nn

    from greenbench.nn.optimizers.lookahead import Lookahead


def lookahead(recipe: Recipe) -> Recipe:
    """Wrap the recipe's optimizer."""

    def optimizer(network: nn.Module) -> Lookahead:
        from greenbench.nn.optimizers.lookahead import Lookahead

        return Lookahead(recipe.optimizer(network), k=5, alpha=0.5)

    return replace(recipe, optimizer=optimizer)


TECHNIQUE = Technique(
    name="lookahead",
    title="LookAhead",
    category="Optimizer",
    citation="Zhang et al. 2019, arXiv:1907.08610",
    apply=lookahead,
)
