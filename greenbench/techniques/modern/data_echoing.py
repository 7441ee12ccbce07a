"""Data echoing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from greenbench.spec.recipe import Batch, Recipe
from greenbench.spec.technique import technique

ECHOES = 2


@technique("Training Procedure", "Choi et al. 2019, arXiv:1907.05550")
def data_echoing(recipe: Recipe) -> Recipe:
    """Echoing: every batch that is read is trained on twice, so that reading costs half.

    ``b_1, b_1, b_2, b_2, ...``

    **Source.** Choi et al. 2019, Faster Neural Network Training with Data Echoing, arXiv:1907.05550: batch echoing.

    **Where.** After the workload's own augmentation and before that of other techniques, which changes each echo anew.

    **Settings.** Two steps per batch. The number of steps is the baseline's, so an epoch reads half of the data.

    **Deviations.** The authors repeat until a target is reached and count the fresh examples; at a fixed number of
    steps we show what repeating loses in accuracy and saves in energy.

    **Not reproducible.** Its gain where reading is the bottleneck: images that stay in memory are read for nearly
    nothing.
    """

    def echoed(batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in recipe.epoch_batches(batches):
            for _ in range(ECHOES):
                yield batch

    return replace(recipe, epoch_batches=echoed)
