"""Lower resolution."""

from __future__ import annotations

from dataclasses import replace

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

FACTOR = 0.75
SHARE = 0.5
SMALLEST_SIDE = 8
"""In pixels: the study's ResNet halves its input three times."""


@technique("Training Procedure", "Touvron et al. 2019, arXiv:1906.06423", tasks=("classification",))
def lower_resolution(recipe: Recipe) -> Recipe:
    """Lower resolution: the first half of the run sees images of three quarters of the side, the rest whole ones.

    Work that grows with the pixels falls to ``0.5 * 0.75^2 + 0.5 = 0.78`` of the baseline's.

    **Source.** Touvron et al. 2019, Fixing the Train-Test Resolution Discrepancy, arXiv:1906.06423: networks are
    trained at a lower resolution and then fine-tuned at that of their use.

    **Where.** Classification: the last layer averages over the map, so a network takes any size. Segmentation has
    progressive resizing.

    **Settings.** 24 of 32 px, 48 of 64, then whole images from half of the run on. Evaluation is at full size.

    **Deviations.** The authors fine-tune the last layers alone, after the run; here all layers go on, within it, as the
    schedule says. Their larger images at test make up for a zoom in their training crops, which ours have not.
    Sides below 8 px, which the network cannot take, are raised to that; it concerns the scale smoke alone.

    **Unknown.** How low one can go: until its second half a network does not know whole images, and its accuracy on
    them is low. On digits of 8 px instead of 9, which leave one pixel to the last stage, it is 22 % at the end if they never come,
    and 76 % if they come in the last quarter, when the rate has decayed.
    """
    smallest = SMALLEST_SIDE / min(recipe.image_size) if recipe.image_size else 0.0

    def size_factor(epoch: int, epochs: int) -> float:
        whole = recipe.size_factor(epoch, epochs)
        return whole if epoch + 1 > SHARE * epochs else max(FACTOR * whole, min(smallest, whole))

    return replace(recipe, size_factor=size_factor)
