"""Muon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from greenbench.spec.recipe import Recipe
from greenbench.spec.technique import technique

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

RATE = 0.04
WEIGHT_DECAY = 0.0125


@technique("Optimizer", "Jordan et al. 2024, kellerjordan.github.io/posts/muon; arXiv:2502.16982")
def muon(recipe: Recipe) -> Recipe:
    """Muon: the momentum of each weight matrix is made orthogonal before the step, so that no direction dominates.

    ``B <- b B + (1 - b) G``, ``O = NS((1 - b) G + b B)``, then ``W <- W - lr wd W - lr 0.2 sqrt(max(n, m)) O``, where
    NS sends the singular values of an n x m matrix to about 1 by five Newton-Schulz iterations, in bfloat16 on a GPU.
    The filters of a convolution are the rows of a matrix.

    **Source.** Jordan et al. 2024, kellerjordan.github.io/posts/muon, for the method; Liu et al. 2025,
    arXiv:2502.16982, for the factor ``0.2 sqrt(max(n, m))``, with which AdamW's rate and decay serve it too.

    **Where.** Weights of two or more dimensions whose outputs are not the classes. Classifiers, norms and biases are
    trained with AdamW, as the authors advise.

    **Settings.** The learning rate is 0.04 of the baseline's, for both: where that is 0.1, a matrix of 64 x 576 moves
    as far as at the first authors' 0.02. Weight decay 0.0125: ``lr wd`` is that of a baseline with 0.0005. b = 0.95,
    Nesterov; AdamW's b1 = 0.9, b2 = 0.95. The schedule is the baseline's.

    **Implementation.** Our own: torch's takes no filters, and those of libraries compute in bfloat16 on CPUs that
    emulate it, where a step takes ten times as long as ours. `pytorch_optimizer.Muon` is the tests' oracle.

    **Deviations.** The authors leave the first layer of a language model, its embedding, to AdamW; the first
    convolution of a network is trained as all others are.

    **Unknown.** The best rate for convolutional networks, where the authors scale the weights too.
    """

    def optimizer(network: nn.Module, learning_rate: float) -> Optimizer:
        from greenbench.nn.optimizers.muon import Muon

        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for parameter in network.parameters():
            groups[parameter.ndim > 1 and len(parameter) != recipe.num_classes].append(parameter)
        return Muon(groups[True], groups[False], lr=RATE * learning_rate, weight_decay=WEIGHT_DECAY)

    return replace(recipe, optimizer=optimizer)
