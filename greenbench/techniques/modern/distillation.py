"""Self-distillation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Inputs, Recipe, Trainer, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import Tensor

TEMPERATURE = 4.0
SOFT_SHARE = 0.9


@technique(
    "Training Procedure",
    "Hinton et al. 2015, arXiv:1503.02531; Furlanello et al. 2018, arXiv:1805.04770",
    tasks=("classification", "segmentation"),
)
def distillation(recipe: Recipe) -> Recipe:
    """Self-distillation: the network learns from labels and from a trained network of its own kind.

    ``L = (1 - a) L_labels + a T^2 KL(softmax(t / T) || softmax(s / T))`` with the teacher's logits t and the student's
    s, on the same augmented images.

    **Source.** Hinton et al. 2015, Distilling the Knowledge in a Neural Network, arXiv:1503.02531, for the loss;
    Furlanello et al. 2018, Born-Again Neural Networks, arXiv:1805.04770, for a teacher that is no larger.

    **Settings.** The teacher is the recipe itself, trained first from another seed; that training is part of the cost.
    T = 4 and a = 0.9, as is usual on CIFAR-100 (Tian et al. 2019, arXiv:1910.10699). Where an earlier technique mixes
    images, the teacher sees the mixed ones.

    **Deviations.** Furlanello et al. use T = 1 and equal parts, and several generations; here there is one.

    **Ignored pixels.** They have no label, but the teacher has an opinion on them, and it counts.

    **Unknown.** What a larger teacher would give: a recipe knows how to build its own network alone.
    """

    def objective(trainer: Trainer, inputs: Inputs, targets: WeightedTargets) -> Tensor:
        import torch
        import torch.nn.functional as F

        from greenbench.nn.precision import full_precision

        logits = full_precision(trainer.network(inputs))
        with torch.no_grad():
            taught = full_precision(trainer.teacher(inputs))  # type: ignore[misc]
            wanted = F.log_softmax(taught / TEMPERATURE, dim=1)
        found = F.log_softmax(logits / TEMPERATURE, dim=1)
        soft = F.kl_div(found, wanted, reduction="none", log_target=True).sum(dim=1).mean()
        hard = torch.stack([weight * trainer.loss(logits, target) for weight, target in targets]).sum()
        return (1 - SOFT_SHARE) * hard + SOFT_SHARE * TEMPERATURE**2 * soft

    return replace(recipe, teacher=recipe, objective=objective)
