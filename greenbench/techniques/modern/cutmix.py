"""CutMix."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@technique(
    "Data Augmentation",
    "Yun et al. 2019, arXiv:1905.04899",
    title="CutMix",
    tasks=("classification", "segmentation"),
)
def cutmix(recipe: Recipe) -> Recipe:
    """CutMix: a box of each image is replaced by the same box of another, and the labels count by their areas.

    ``x = M x_i + (1 - M) x_j`` with a mask M that is 0 in the box, and ``loss = a L(f(x), y_i) + (1 - a) L(f(x), y_j)``
    with a the share of the pixels that are kept. The box has the sides ``H sqrt(1 - l)`` and ``W sqrt(1 - l)`` with ``l
    ~ Beta(1, 1)``, and its center lies anywhere in the image; what sticks out is cut off. A pixel is in the box if its
    center is.

    **Source.** Yun et al. 2019, arXiv:1905.04899, equations 1 and 2 and the authors' code.

    **Where.** In segmentation the box of the mask is pasted with that of the image, so no label is weighted (French et
    al. 2019, arXiv:1906.01916, who did it to unlabeled images).

    **Settings.** Beta(1, 1), which is the uniform distribution, on every batch: the authors' choice for ImageNet. One
    box per batch, pairs by a random permutation, as in the authors' code.

    **Deviations.** None known in classification.

    **Unknown.** What it gains on images of 9 px, where a box hides much of a digit.
    """

    def paste(images: Tensor, targets: Tensor, draws: torch.Generator) -> tuple[Tensor, WeightedTargets]:
        import torch

        from greenbench.data.transfer import send

        images, weighted = recipe.batch_transform(images, targets, draws)
        share, row, column = torch.rand(3, generator=draws).tolist()
        reach = (1 - share) ** 0.5 / 2
        y, x = ((torch.arange(side) + 0.5) / side for side in images.shape[-2:])
        box = ((y - row).abs() < reach)[:, None] & ((x - column).abs() < reach)
        kept = 1 - float(box.double().mean())
        partner = send(torch.randperm(len(images), generator=draws), images.device)
        box = send(box, images.device)
        pasted = torch.where(box, images[partner], images)
        if recipe.task == "segmentation":
            return pasted, [(weight, torch.where(box, mask[partner], mask)) for weight, mask in weighted]
        shares = ((kept, slice(None)), (1 - kept, partner))
        return pasted, [(weight * part, labels[of]) for weight, labels in weighted for part, of in shares]

    return replace(recipe, batch_transform=paste)
