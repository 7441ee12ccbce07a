"""Cyclic learning rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True)
class Cycle:
    """Base and maximal rate as shares of the baseline's, and the step size as a share of the run."""

    base: float
    maximum: float
    step_size: float


CYCLES = {
    "classification": Cycle(base=0.001, maximum=0.1, step_size=1 / 10),
    "segmentation": Cycle(base=0.004, maximum=0.4, step_size=1 / 20),
}


@technique(
    "Learning Rate Scheduler",
    "Smith 2015, arXiv:1506.01186",
    title="Cyclic LR",
    tasks=tuple(CYCLES),
    work_share=1.0,
)
def cyclic_lr(recipe: Recipe) -> Recipe:
    """Cyclic learning rate (triangular2): the rate rises and falls linearly, and each peak is half as high.

    With step size S and ``x = |t/S - 2c + 1|`` in cycle ``c = floor(1 + t/2S)``:
    ``lr(t) = base + (max - base) max(0, 1 - x) / 2^(c - 1)``.

    It is the height above base that halves: peaks .01, .00505, .002575 over a base of .0001.

    **Source.** Smith 2015, No More Pesky Learning Rate Guessing Games, arXiv:1506.01186; section 4.2 of the
    study.

    **Settings.** As in the study, written as shares of the baseline's learning rate and of the run:

    - classification: base 0.0001, max 0.01 (0.001 and 0.1 of 0.1), step size 20 epochs (a tenth of 200);
    - Cityscapes: base 0.0001, max 0.01 (0.004 and 0.4 of 0.025), step size 50 epochs (a twentieth of 1000);
    - COCO-Stuff: base 0.00004, max 0.004 (the same shares of 0.01), step size 3 epochs (a twentieth of 60).

    The rate changes at every step (`torch.optim.lr_scheduler.CyclicLR`).

    **Deviations.** None known. CyclicLR cycles the momentum as well unless told not to; the method does not.

    **Unknown.** Whether the study updated the rate at every step or every epoch; the method's author does so
    at every step. Cycles for other tasks.
    """
    cycle = CYCLES[recipe.task]

    def schedule(optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> LRScheduler:
        from torch.optim.lr_scheduler import CyclicLR

        rates = [float(group["lr"]) for group in optimizer.param_groups]
        return CyclicLR(
            optimizer,
            base_lr=[cycle.base * rate for rate in rates],
            max_lr=[cycle.maximum * rate for rate in rates],
            step_size_up=max(1, round(cycle.step_size * steps_per_epoch * epochs)),
            mode="triangular2",
            cycle_momentum=False,
        )

    return replace(recipe, schedule=schedule)
