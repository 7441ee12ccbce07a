"""Mixup."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenbench.errors import NotApplicable
from greenbench.spec.recipe import Recipe, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ALPHA = 1.0


def draw_share(alpha: float, generator: torch.Generator) -> float:
    """Draw l ~ Beta(alpha, alpha) from the run's own generator; `ValueError` unless `alpha` is positive."""
    import numpy as np
    import torch

    if not alpha > 0:
        raise ValueError(f"mixup's alpha is {alpha}; it must be positive")
    seed = int(torch.randint(2**31, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def require_tensors(technique: str, inputs: Any, weighted: WeightedTargets) -> None:
    """Raise `NotApplicable` unless samples can be mixed: inputs are numbers, and inputs and targets one tensor each."""
    import torch

    found = [inputs, *(target for _, target in weighted)]
    if not all(isinstance(values, torch.Tensor) for values in found) or not inputs.is_floating_point():
        kinds = ", ".join(str(getattr(values, "dtype", type(values).__name__)) for values in found)
        raise NotApplicable(
            f"{technique} mixes samples: it looked for inputs of floating point and targets, each one tensor; "
            f"here they are {kinds}"
        )


@technique("Data Augmentation", "Zhang et al. 2017, arXiv:1710.09412")
def mixup(recipe: Recipe) -> Recipe:
    """Mixup: train on convex combinations of pairs of images and of their losses.

    ``x = l x_i + (1 - l) x_j`` and ``loss = l L(f(x), y_i) + (1 - l) L(f(x), y_j)`` with ``l ~ Beta(alpha,
    alpha)``.

    For cross-entropy this equals the loss with the mixed one-hot labels of the paper's equation. It extends
    to masks and to any other loss.

    **Source.** Zhang et al. 2017, arXiv:1710.09412; equation 1 of Badar et al.

    **Settings.** alpha = 1; one l per batch; pairs by a random permutation of the batch.

    **Ignored pixels.** Each of the two losses is a mean over the pixels that are valid in its own mask.

    **Deviations.** None known. Libraries mix differently: by rolling or flipping the batch, with one l per
    image, with label smoothing, or not at all on masks.

    **Unknown.** alpha, which the study does not state; 1 is the authors' choice for CIFAR.
    """

    def mixed_batch(
        images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, WeightedTargets]:
        import torch

        from greenbench.data.transfer import send

        images, weighted = recipe.batch_transform(images, targets, generator)
        require_tensors("mixup", images, weighted)
        share = draw_share(ALPHA, generator)
        partner = send(torch.randperm(len(images), generator=generator), images.device)
        mixed = torch.lerp(images[partner], images, share)
        own = [(weight * share, target) for weight, target in weighted]
        other = [(weight * (1 - share), target[partner]) for weight, target in weighted]
        return mixed, own + other

    return replace(recipe, batch_transform=mixed_batch)
