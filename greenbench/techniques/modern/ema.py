"""Exponential moving average of the weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn
    from torch.optim.swa_utils import AveragedModel

HORIZON = 0.05


@technique(
    "Training Procedure",
    "Polyak and Juditsky 1992, SIAM J. Control Optim. 30(4)",
    title="EMA",
    work_share=1.0,
)
def ema(recipe: Recipe) -> Recipe:
    """EMA: an exponential moving average of the weights is judged in their place.

    ``a <- d a + (1 - d) w`` after every step, from ``a = w`` after the first. Training itself is untouched.

    **Source.** Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging, for the average;
    Szegedy et al. 2015, arXiv:1512.00567, section 8, for the exponential one; Morales-Brotons et al. 2024,
    arXiv:2411.18704, for what it does.

    **Settings.** ``d = 1 - 1 / (0.05 n)`` with n steps in the run, so that the average looks back over a twentieth of
    it: 0.9997 at 200 epochs of 391 steps, near the usual 0.9998 or 0.9999; at least over two steps. The schedule is the
    baseline's. Running means and variances of norms are averaged as the weights are.

    **Deviations.** A decay that is fixed would average over the whole of a short run; tying it to the length makes
    short and long runs the same experiment.

    **Unknown.** The best horizon. With a rate that decays to 0, as the baselines' does, the last weights are nearly
    averages already, and little is left to gain.
    """

    def average(network: nn.Module, steps_per_epoch: int, epochs: int) -> AveragedModel:
        from greenbench.nn.averaging import MovingAverage

        horizon = max(2.0, HORIZON * steps_per_epoch * epochs)
        return MovingAverage(network, 1 - 1 / horizon)

    return replace(recipe, average=average)
