"""Mixed precision."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.errors import NotApplicable
from greenbench.spec.recipe import Inputs, Recipe, Trainer, WeightedTargets
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import Tensor


@technique(
    "Training Procedure",
    "Micikevicius et al. 2017, arXiv:1710.03740; Kalamkar et al. 2019, arXiv:1905.12322",
    title="Autocast bf16",
)
def autocast(recipe: Recipe) -> Recipe:
    """Autocast: convolutions and matrix products are computed in bfloat16, all else in float32.

    ``y = bf16(W) * bf16(x)``: 8 bits of exponent, as in float32, and 8 of precision instead of 24.

    **Source.** Micikevicius et al. 2017, Mixed Precision Training, arXiv:1710.03740; Kalamkar et al. 2019, A Study of
    BFLOAT16 for Deep Learning Training, arXiv:1905.12322. `torch.autocast` chooses which operations take part.

    **Settings.** bfloat16, whose range is float32's, so that the loss needs no scaling. Weights, gradients and the
    optimizer's state stay in float32.

    **Where.** In a numerical mode whose networks compute in float32; elsewhere it is skipped, with the reason.

    **Deviations.** Evaluation and inference stay in float32: they show what training in bfloat16 costs in accuracy.

    **Not reproducible.** Its gain on devices without units for bfloat16, such as many CPUs, where it is slower.
    """

    def objective(trainer: Trainer, inputs: Inputs, targets: WeightedTargets) -> Tensor:
        import torch

        if trainer.mode.autocast:
            raise NotApplicable(
                f"networks compute in {trainer.mode.autocast} already in the mode {trainer.mode.name}"
            )
        device = next(trainer.network.parameters()).device
        with torch.autocast(device.type, torch.bfloat16):
            return recipe.objective(trainer, inputs, targets)

    return replace(recipe, objective=objective)
