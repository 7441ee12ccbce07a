"""A technique inside the step: it wraps the gradients that were there, and draws from the run's generator."""

from dataclasses import replace

import torch

import greenbench


@greenbench.technique("Optimizer", "Neelakantan et al. 2015, arXiv:1511.06807", work_share=1.0)
def gradient_noise(recipe):
    """Gradient noise: ``g + N(0, s^2)`` with ``s^2 = 0.01 / (1 + t)^0.55`` at step t."""

    def gradients(trainer, inputs, targets):
        loss = recipe.gradients(trainer, inputs, targets)
        deviation = (0.01 / (1 + trainer.step) ** 0.55) ** 0.5
        for parameter in trainer.network.parameters():
            if parameter.grad is not None:
                noise = torch.randn(parameter.shape, generator=trainer.generator)
                parameter.grad += deviation * noise.to(parameter.device)
        return loss

    return replace(recipe, gradients=gradients)
