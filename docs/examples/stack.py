"""A stack of three as one technique, with tolerances of its own: techniques are functions."""

from dataclasses import replace

from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import greenbench
from greenbench.techniques.mixup import mixup


@greenbench.technique("Training Procedure", "This example", tolerances={"score": 0.2, "train_energy_j": 1.5})
def mixup_clipped_and_averaged(recipe):
    """Mixup, gradients of norm 1 at most, and an average of the weights that is judged."""
    recipe = mixup(recipe)

    def gradients(trainer, inputs, targets):
        loss = recipe.gradients(trainer, inputs, targets)
        clip_grad_norm_(trainer.network.parameters(), 1.0)
        return loss

    def average(network, steps_per_epoch, epochs):
        horizon = max(2, steps_per_epoch * epochs / 10)  # a tenth of the run, however long it is
        return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(1 - 1 / horizon), use_buffers=True)

    return replace(recipe, gradients=gradients, average=average)
