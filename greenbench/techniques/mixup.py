"""Mixup: train on convex combinations of pairs of images and of their losses.

x = l x_i + (1 - l) x_j,  loss = l L(f(x), y_i) + (1 - l) L(f(x), y_j),  l ~ Beta(alpha, alpha)

For cross-entropy this equals the loss with the mixed one-hot labels of the paper's equation, and it
extends to masks and to any other loss.

**Source.** Zhang et al. 2017, arXiv:1710.09412; equation 1 of Badar et al.

**Settings.** alpha = 1; one l per batch; pairs by a random permutation of the batch.

**Ignored pixels.** Each of the two losses is a mean over the pixels that are valid in its own mask.

**Deviations.** None known. Libraries mix differently: by rolling or flipping the batch instead of
permuting it, with one l per image, with label smoothing, or not at all on masks.

**Unknown.** alpha, which the study does not state; 1 is the authors' choice for CIFAR.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.recipe import Recipe, Technique, WeightedTargets

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ALPHA = 1.0


def mixup(recipe: Recipe) -> Recipe:
    """Mix each batch with a permutation of itself, after the transform that is already there."""

    def mixed_batch(
        images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, WeightedTargets]:
        images, weighted = recipe.batch_transform(images, targets, generator)
        share = draw_share(ALPHA, generator)
        import torch

        partner = torch.randperm(len(images), generator=generator).to(images.device)
        mixed = torch.lerp(images[partner], images, share)
        own = [(weight * share, target) for weight, target in weighted]
        other = [(weight * (1 - share), target[partner]) for weight, target in weighted]
        return mixed, own + other

    return replace(recipe, batch_transform=mixed_batch)


def draw_share(alpha: float, generator: torch.Generator) -> float:
    """Draw l ~ Beta(alpha, alpha) from the run's own generator.

    Raises
    ------
    ValueError
        If `alpha` is not positive.
    """
    import numpy as np
    import torch

    if not alpha > 0:
        raise ValueError(f"mixup's alpha is {alpha}; it must be positive")
    seed = int(torch.randint(2**31, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


TECHNIQUE = Technique(
    name="mixup",
    title="Mixup",
    category="Data Augmentation",
    citation="Zhang et al. 2017, arXiv:1710.09412",
    apply=mixup,
)
