"""Random erasing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@technique("Data Augmentation", "Zhong et al. 2017, arXiv:1708.04896", tasks=("classification",))
def random_erasing(recipe: Recipe) -> Recipe:
    """Random erasing: a rectangle of random place, size and shape is filled with noise, in half of the images.

    Its area is a share ``s ~ U(0.02, 0.33)`` of the image's, and its height by its width ``r ~ logU(0.3, 3.3)``.

    **Source.** Zhong et al. 2017, arXiv:1708.04896; torchvision's `v2.RandomErasing`.

    **Where.** Classification. It works on normalized images, before what mixes images.

    **Settings.** p = 0.5 and torchvision's ranges. Filled with random values, the best of the paper's four fillings.

    **Deviations.** The paper's areas reach 0.4, and its ratio is drawn uniformly; torchvision's reach 0.33, and it
    draws the logarithm. The noise is standard normal by pixel and channel, after normalization; the paper's is uniform
    before it.

    **Unknown.** Whether classes that differ in small parts, such as digits, survive it; the paper's do.
    """

    def erased_batch(
        images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, WeightedTargets]:
        import torch
        from torchvision.transforms.v2 import RandomErasing

        from greenbench.data.augmentation import torchvisions_draws
        from greenbench.data.transfer import send

        # Drawn on the host into an image of nothing, so that noise of all images goes to the device at once.
        nothing = torch.full(images.shape[1:], torch.nan)
        erase = RandomErasing(value="random")
        with torchvisions_draws(generator):
            noise = send(torch.stack([erase(nothing) for _ in range(len(images))]), images.device)
        return recipe.batch_transform(torch.where(noise.isnan(), images, noise), targets, generator)

    return replace(recipe, batch_transform=erased_batch)
