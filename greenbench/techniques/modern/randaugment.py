"""RandAugment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Batch, Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    import torch
    from torch import Tensor

OPERATIONS = 2
MAGNITUDE = 9


@technique(
    "Data Augmentation",
    "Cubuk et al. 2019, arXiv:1909.13719",
    title="RandAugment",
    tasks=("classification",),
)
def randaugment(recipe: Recipe) -> Recipe:
    """RandAugment: each image goes through a few operations, drawn evenly from a list, at one common strength.

    ``x = o_N(... o_1(x))`` with each ``o_i`` drawn from fourteen: identity, shears, translations, rotation, and changes
    of brightness, color, contrast, sharpness and gray levels.

    **Source.** Cubuk et al. 2019, arXiv:1909.13719; torchvision's `v2.RandAugment`.

    **Where.** Classification: the operations move the pixels of images, not those of masks. It works on raw images,
    after the workload's own augmentation.

    **Settings.** N = 2 operations of strength M = 9 of 30, the authors' choice for ResNet-50 on ImageNet and
    torchvision's default.

    **Deviations.** Torchvision draws the sign of every signed operation anew, and fills what comes into view with
    black. It treats the images on the device that trains, where others leave it to worker processes: its time and energy
    are part of the run's.

    **Implementation.** Our own, bit for bit torchvision's on the CPU: images that draw the same operation are treated
    together, and no operation makes the host wait for a GPU.

    **Unknown.** The best strength for images of 9 to 64 px; the authors' grows with network and data set.
    """

    def augmented(images: Tensor, targets: Tensor, generator: torch.Generator) -> Batch:
        from greenbench.data.augmentation import torchvisions_draws
        from greenbench.data.operations import apply, draw

        images, targets = recipe.augment(images, targets, generator)
        with torchvisions_draws(generator):
            drawn = draw(len(images), OPERATIONS, MAGNITUDE, (images.shape[-2], images.shape[-1]))
        return apply(images, drawn), targets

    return replace(recipe, augment=augmented)
