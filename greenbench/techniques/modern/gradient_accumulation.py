"""Gradient accumulation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Inputs, Recipe, Trainer, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import Tensor

PARTS = 4
SMALLEST_PART = 2


@technique("Training Procedure", "Ott et al. 2018, arXiv:1806.00187", title="Grad. Accumulation")
def gradient_accumulation(recipe: Recipe) -> Recipe:
    """Gradient accumulation: a batch is passed in parts whose gradients are added before the step.

    ``g = sum_k (n_k / n) grad L_k`` over parts of n_k of the n images. The memory that activations take falls with the
    size of the parts; the step is that of the whole batch.

    **Source.** Ott et al. 2018, Scaling Neural Machine Translation, arXiv:1806.00187, section 3.3, where steps are put
    off until several batches have been passed.

    **Where.** Any task whose inputs and targets are tensors with the batch first.

    **Settings.** Four parts, as equal as can be, none of a single image, which batch norm could not normalize. Batch
    size, rate and number of steps are the baseline's: it measures what smaller passes cost.

    **Deviations.** It is not the gradient of the whole batch in two places. Batch norm sees each part alone. A loss
    that averages over valid pixels weighs each part by its images, not by its pixels.

    **Not reproducible.** The gain of the paper, a larger batch on the same device: batch sizes here fit as they are.
    """

    def gradients(trainer: Trainer, inputs: Inputs, targets: WeightedTargets) -> Tensor:
        import torch

        objectives: list[Tensor] = []
        sums: dict[torch.nn.Parameter, Tensor] = {}
        parts = max(1, min(PARTS, len(inputs) // SMALLEST_PART))
        for chosen in torch.arange(len(inputs), device=inputs.device).tensor_split(parts):
            share = len(chosen) / len(inputs)
            part = [(weight, target[chosen]) for weight, target in targets]
            objectives.append(share * recipe.gradients(trainer, inputs[chosen], part).detach())
            for parameter in trainer.network.parameters():
                if parameter.grad is not None:
                    before = sums.get(parameter)
                    scaled = share * parameter.grad
                    sums[parameter] = scaled if before is None else before.add_(scaled)
        for parameter, total in sums.items():
            parameter.grad = total
        return torch.stack(objectives).sum()

    return replace(recipe, gradients=gradients)
