"""Every optimizer of the package, with SGD as the control, and how the tests step through them."""

import io

import pytest
import torch
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import ReduceLROnPlateau

from greenbench.nn.optimizers.lookahead import Lookahead
from greenbench.nn.optimizers.muon import Muon
from greenbench.nn.optimizers.radam import RAdam
from greenbench.nn.optimizers.random_gradient import RandomGradient

RATE = 0.1
LONG = 13  # past RAdam's first five steps and two updates of LookAhead's slow weights


def sgd(parameters):
    return SGD(parameters, lr=RATE, momentum=0.9, weight_decay=0.01)


def muon(parameters):
    def is_matrix(parameter):
        return (parameter[1] if isinstance(parameter, tuple) else parameter).ndim > 1

    parameters = list(parameters)
    matrices = [p for p in parameters if is_matrix(p)]
    return Muon(matrices, [p for p in parameters if not is_matrix(p)], lr=RATE)


KINDS = {
    "SGD": sgd,
    "RAdam": lambda parameters: RAdam(parameters, lr=RATE, weight_decay=0.01),
    "Muon": muon,
    "Lookahead of SGD": lambda parameters: Lookahead(sgd(parameters)),
    "Lookahead of plain SGD": lambda parameters: Lookahead(SGD(parameters, lr=RATE)),
    "Lookahead of Adam": lambda parameters: Lookahead(Adam(parameters, lr=RATE)),
    "Lookahead of RAdam": lambda parameters: Lookahead(RAdam(parameters, lr=RATE), k=3),
    "Lookahead of Lookahead": lambda parameters: Lookahead(Lookahead(sgd(parameters), k=2), k=3),
    "RandomGradient of SGD": lambda parameters: RandomGradient(sgd(parameters)),
    "RandomGradient of Lookahead": lambda parameters: RandomGradient(Lookahead(sgd(parameters), k=3)),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def parameters(dtype=torch.float64):
    draws = torch.Generator().manual_seed(0)
    shapes = ((3, 4), (4, 3), (5,))
    return [torch.randn(s, generator=draws, dtype=dtype).requires_grad_() for s in shapes]


def walk(optimizer, weights, steps=LONG, seed=0, schedule=None):
    """Step through random gradients; return the weights after each step."""
    torch.manual_seed(seed)
    draws = torch.Generator().manual_seed(seed)
    path = []
    for _ in range(steps):
        for p in weights:
            p.grad = torch.randn(p.shape, generator=draws, dtype=p.dtype)
        optimizer.step()
        if schedule is not None:
            schedule.step(1.0) if isinstance(schedule, ReduceLROnPlateau) else schedule.step()
        path.append([p.detach().clone() for p in weights])
    return path


def same(path, other):
    return len(path) == len(other) and all(
        torch.equal(a, b)
        for ours, theirs in zip(path, other, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )


def clones(weights):
    return [p.detach().clone().requires_grad_() for p in weights]


def saved_and_loaded(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file)
