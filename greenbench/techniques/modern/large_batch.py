"""Large batches."""

from __future__ import annotations

from dataclasses import replace

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

FACTOR = 4


@technique("Training Procedure", "Goyal et al. 2017, arXiv:1706.02677")
def large_batch(recipe: Recipe) -> Recipe:
    """Large batch: four times the images per step, at four times the learning rate, in a quarter of the steps.

    ``lr = k lr_1`` for batches of ``k n`` images: k steps of the baseline's and one of these move the weights about
    equally far.

    **Source.** Goyal et al. 2017, Accurate, Large Minibatch SGD, arXiv:1706.02677, section 2.1, the linear scaling
    rule.

    **Settings.** k = 4. The epochs stay, and so does the schedule, which counts in shares of the run.

    **Deviations.** The authors raise the rate slowly over the first 5 of 90 epochs. Here the warm-up is the baseline's:
    one of 200 epochs in classification, none in segmentation. The rule is stated for SGD; an optimizer that a technique
    puts in its place is scaled as well.

    **Unknown.** Up to which batch size it holds for a workload: up to 8192 for the authors' on ImageNet, less where the
    data are fewer.
    """
    return replace(recipe, batch_size=FACTOR * recipe.batch_size, learning_rate=FACTOR * recipe.learning_rate)
