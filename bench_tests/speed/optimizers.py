"""The optimizers, on the parameters of ResNet-50."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torchvision.models import resnet50

from bench_tests.speed.contest import Contest
from greenbench.nn.optimizers.lookahead import Lookahead
from greenbench.nn.optimizers.radam import RAdam

CYCLE = 5
DECAY = 5e-4


def _parameters() -> list[Tensor]:
    torch.manual_seed(0)
    parameters = [p.detach().requires_grad_() for p in resnet50().parameters()]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return parameters


def _steps(make: Callable[[list[Tensor]], Optimizer], warm: int = 0, steps: int = 1) -> Callable[[], None]:
    optimizer = make(_parameters())
    for _ in range(warm):
        optimizer.step()

    def run() -> None:
        for _ in range(steps):
            optimizer.step()

    return run


def _difference(*makers: Callable[[list[Tensor]], Optimizer], steps: int = 10) -> Callable[[], float]:
    def difference() -> float:
        results = []
        for make in makers:
            parameters = _parameters()
            optimizer = make(parameters)
            for _ in range(steps):
                optimizer.step()
            results.append(torch.cat([p.detach().flatten() for p in parameters]))
        return float((results[0] - results[1]).norm() / results[1].norm())

    return difference


def _sgd(parameters: list[Tensor]) -> Optimizer:
    return SGD(parameters, lr=1e-3, momentum=0.9, weight_decay=DECAY)


def lookahead() -> Contest:
    import pytorch_optimizer

    def ours(parameters: list[Tensor]) -> Optimizer:
        return Lookahead(_sgd(parameters), k=CYCLE, alpha=0.5)

    def peer(parameters: list[Tensor]) -> Optimizer:
        return pytorch_optimizer.Lookahead(_sgd(parameters), k=CYCLE, alpha=0.5, pullback_momentum="none")

    return Contest(
        _steps(ours, steps=CYCLE), _steps(peer, steps=CYCLE), _steps(_sgd, steps=CYCLE),
        f"pytorch-optimizer {version('pytorch-optimizer')}", "SGD alone", _difference(ours, peer),
    )  # fmt: skip


def radam() -> Contest:
    import pytorch_optimizer

    def ours(parameters: list[Tensor]) -> Optimizer:
        return RAdam(parameters, weight_decay=DECAY)

    def peer(parameters: list[Tensor]) -> Optimizer:
        return pytorch_optimizer.RAdam(parameters, weight_decay=DECAY, weight_decouple=True)

    def floor(parameters: list[Tensor]) -> Optimizer:
        return AdamW(parameters, weight_decay=DECAY, fused=True)

    return Contest(
        _steps(ours, warm=10), _steps(peer, warm=10), _steps(floor, warm=10),
        f"pytorch-optimizer {version('pytorch-optimizer')}", "fused AdamW", _difference(ours, peer),
    )  # fmt: skip


CONTESTS = {"lookahead": lookahead, "radam": radam}
