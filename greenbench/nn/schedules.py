"""Learning-rate schedules of the baselines, built from (optimizer, steps per epoch, epochs).

Their times are fractions of the run, so that a short run is the same experiment made smaller. Import no
torch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

POLY_POWER = 0.9
STEP_AT = (0.3, 0.6, 0.8)
STEP_FACTOR = 0.2
COSINE_WARMUP = 0.05


def poly(optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> LRScheduler:
    """Polynomial decay to 0: ``lr * (1 - step / steps) ** 0.9`` (section 3.1 of the study)."""
    from torch.optim.lr_scheduler import PolynomialLR

    return PolynomialLR(optimizer, total_iters=steps_per_epoch * epochs, power=POLY_POWER)


def step_decay(
    optimizer: Optimizer, steps_per_epoch: int, epochs: int, *, warmup_fraction: float
) -> LRScheduler:
    """Linear warm-up, then x0.2 at 30, 60 and 80 % of the run.

    The study says "step-wise decay"; factors, places and the warm-up over the first epoch of 200 are
    those of the public CIFAR-100 code that its recipe matches.
    """
    from torch.optim.lr_scheduler import LambdaLR

    steps = steps_per_epoch * epochs
    warmup_steps = max(1, round(warmup_fraction * steps))

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return STEP_FACTOR ** sum(step >= at * steps for at in STEP_AT)

    return LambdaLR(optimizer, factor)


def cosine(optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> LRScheduler:
    """Linear warm-up over 5 % of the run, then half a cosine down to 0 (Loshchilov and Hutter 2016, arXiv:1608.03983)."""
    from torch.optim.lr_scheduler import LambdaLR

    steps = steps_per_epoch * epochs
    warmup_steps = max(1, round(COSINE_WARMUP * steps))

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps))) / 2

    return LambdaLR(optimizer, factor)
