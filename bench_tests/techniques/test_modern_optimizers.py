"""Lion, Muon, Schedule-Free and AdamW against their algorithms, one step at a time in float64."""

import sys
from math import sqrt

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from greenbench.errors import NotApplicable
from greenbench.nn.optimizers.extra import pytorch_optimizer
from greenbench.nn.optimizers.muon import Muon, orthogonalize
from greenbench.study.catalog import discover
from greenbench.techniques.modern.adamw import adamw
from greenbench.techniques.modern.lion import lion
from greenbench.techniques.modern.muon import muon
from greenbench.techniques.modern.schedule_free import schedule_free

DIGITS = discover().workloads["digits"].recipe("smoke")
RATE = 0.1
STEPS = 12

seeds = st.integers(0, 2**31)


def weights():
    return torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4)


def slopes(seed, steps=STEPS):
    draws = torch.Generator().manual_seed(seed)
    return list(torch.randn(steps, 3, 4, dtype=torch.float64, generator=draws))


def layer(start):
    """Return a network of one weight."""
    network = nn.Linear(4, 3, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(start)
    return network


def run(technique, gradients, judged=False):
    """Build a technique's optimizer and schedule, step through gradients; return the weights after each step."""
    network = layer(weights())
    recipe = technique(DIGITS)
    optimizer = recipe.optimizer(network, RATE)
    schedule = recipe.schedule(optimizer, len(gradients), 1) if judged else None
    path = []
    for gradient in gradients:
        network.weight.grad = gradient.clone()
        optimizer.step()
        if schedule:
            schedule.step()
            optimizer.eval()
        path.append(network.weight.detach().clone())
        if schedule:
            optimizer.train()
    return path


def lion_by_definition(w, gradients, lr, decay):
    m, path = torch.zeros_like(w), []
    for g in gradients:
        w = w - lr * ((0.9 * m + 0.1 * g).sign() + decay * w)
        m = 0.99 * m + 0.01 * g
        path.append(w)
    return path


def adamw_by_definition(w, gradients, lr, decay, betas=(0.9, 0.999)):
    m, v, path = torch.zeros_like(w), torch.zeros_like(w), []
    for t, g in enumerate(gradients, start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        step = m / (1 - betas[0] ** t) / ((v / (1 - betas[1] ** t)).sqrt() + 1e-8)
        w = w - lr * decay * w - lr * step
        path.append(w)
    return path


def muon_by_definition(w, gradients, lr, decay):
    b, path = torch.zeros_like(w), []
    for g in gradients:
        b = 0.95 * b + 0.05 * g
        x = 0.05 * g + 0.95 * b
        x = x / (x.norm() + 1e-7)
        for _ in range(5):
            s = x @ x.T
            x = 3.4445 * x - 4.7750 * s @ x + 2.0315 * s @ s @ x
        w = w - lr * decay * w - lr * 0.2 * sqrt(4) * x
        path.append(w)
    return path


def schedule_free_by_definition(start, gradients, lr, decay, warm_up):
    """Equations of the paper, with weights that follow the square of the rate; gradients are given at y."""
    z = x = y = start
    total, path = 0.0, []
    for t, g in enumerate(gradients, start=1):
        rate = lr * min(1.0, t / warm_up)
        total += rate**2
        z = z - rate * (g + decay * y)
        x = x + rate**2 / total * (z - x)
        y = 0.1 * z + 0.9 * x
        path.append(x)
    return path


def agree(path, expected, tolerance=1e-10):
    for ours, theirs in zip(path, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_lion_moves_by_the_sign_of_its_momentum(seed):
    agree(run(lion, slopes(seed)), lion_by_definition(weights(), slopes(seed), 0.005 * RATE, 0.1))


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_adamw_decays_apart_from_its_step(seed):
    agree(run(adamw, slopes(seed)), adamw_by_definition(weights(), slopes(seed), 0.02 * RATE, 0.025))


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_muon_steps_along_the_orthogonalized_momentum(seed):
    agree(run(muon, slopes(seed)), muon_by_definition(weights(), slopes(seed), 0.04 * RATE, 0.0125))


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_schedule_free_judges_the_average_and_steps_at_y(seed):
    gradients = slopes(seed, steps=60)
    expected = schedule_free_by_definition(weights(), gradients, 10 * RATE, 5e-4, warm_up=3)
    agree(run(schedule_free, gradients, judged=True), expected, tolerance=1e-8)


def test_every_shape_of_matrix_is_sent_near_an_orthogonal_one():
    for rows, columns in ((3, 40), (40, 3), (16, 16)):
        matrices = torch.randn(5, rows, columns, generator=torch.Generator().manual_seed(rows))
        values = torch.linalg.svdvals(orthogonalize(matrices))
        assert values.min() > 0.3
        assert values.max() < 1.3
        assert orthogonalize(matrices).shape == matrices.shape


def test_complex_matrices_are_sent_near_a_unitary_one_in_their_own_singular_vectors():
    draws = torch.Generator().manual_seed(0)
    for rows, columns in ((3, 40), (40, 3)):
        matrices = torch.randn(2, rows, columns, dtype=torch.complex128, generator=draws)
        left, _, right = torch.linalg.svd(matrices, full_matrices=False)
        turned = left.mH @ orthogonalize(matrices) @ right.mH
        values = turned.diagonal(dim1=-2, dim2=-1)
        torch.testing.assert_close(turned, torch.diag_embed(values))
        assert 0.3 < values.real.min() <= values.real.max() < 1.3
        assert values.imag.abs().max() < 1e-9


def test_muon_agrees_with_the_library_on_filters_and_on_what_is_left_to_adamw():
    library = pytest.importorskip("pytorch_optimizer")
    kinds = [torch.Size([8, 4, 3, 3]), torch.Size([8, 4, 3, 3]), torch.Size([40, 6]), torch.Size([5])]
    draws = torch.Generator().manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape, generator=draws)) for shape in kinds]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    optimizers = (
        Muon(ours[:3], ours[3:], lr=1e-2, weight_decay=0.1),
        library.Muon(
            [
                {"params": theirs[:3], "use_muon": True, "lr": 1e-2, "weight_decay": 0.1},
                {"params": theirs[3:], "use_muon": False, "lr": 1e-2, "weight_decay": 0.1, "eps": 1e-8},
            ],
            use_adjusted_lr=True,
        ),
    )
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=draws)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0.05, atol=5e-3)  # theirs rounds to bfloat16


def test_muon_leaves_the_classifier_norms_and_biases_to_adamw():
    network = DIGITS.network()
    matrices, others = muon(DIGITS).optimizer(network, RATE).param_groups
    assert {p.ndim for p in matrices["params"]} == {4}
    left = {id(p) for p in others["params"]}
    assert id(network.fc.weight) in left
    assert len(left) + len(matrices["params"]) == len(list(network.parameters()))


def test_muon_refuses_a_vector_among_its_matrices():
    with pytest.raises(ValueError, match="fewer than two dimensions"):
        Muon([torch.zeros(3, requires_grad=True)], [])


def test_muon_trains_a_group_that_is_added_as_it_is_told():
    optimizer = Muon([torch.ones(2, 2, requires_grad=True)], [])
    added = [torch.ones(3, 3, requires_grad=True) for _ in range(2)]
    optimizer.add_param_group({"params": added[0], "matrices": True})
    optimizer.add_param_group({"params": added[1]})
    with pytest.raises(ValueError, match="fewer than two dimensions"):
        optimizer.add_param_group({"params": torch.ones(3, requires_grad=True), "matrices": True})
    assert len(optimizer.param_groups) == 4
    for parameter in added:
        parameter.grad = torch.eye(3)
    optimizer.step()
    assert [set(optimizer.state[p]) for p in added] == [{"momentum"}, {"step", "exp_avg", "exp_avg_sq"}]


def test_muon_runs_a_closure_and_leaves_parameters_without_gradient_alone():
    matrix, vector = (torch.ones(shape, requires_grad=True) for shape in ((2, 2), (2,)))
    optimizer = Muon([matrix], [vector])
    assert optimizer.step(lambda: 3.0) == 3.0
    assert torch.equal(matrix, torch.ones(2, 2))
    assert torch.equal(vector, torch.ones(2))


def test_the_rate_of_schedule_free_rises_and_stays():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = schedule_free(DIGITS).schedule(optimizer, 20, 5)
    found = []
    for _ in range(100):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert found[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert found[5:] == pytest.approx([1.0] * 95)


def test_a_library_that_is_not_installed_is_a_reason_to_skip(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(NotApplicable, match="which is not installed; pip install 'greenbench\\[modern\\]'"):
        pytorch_optimizer("Lion", [torch.zeros(1, requires_grad=True)])
