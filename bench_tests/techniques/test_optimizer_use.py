"""What torch's own optimizers do in use, asked of every optimizer of the package."""

import copy

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

from bench_tests.techniques.optimizer_kinds import (
    LONG,
    RATE,
    clones,
    every_kind,
    muon,
    parameters,
    same,
    sgd,
    walk,
)

pytestmark = every_kind

SCHEDULES = {
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "multiplicative": lambda o: lr_scheduler.MultiplicativeLR(o, lambda _: 0.9),
    "step": lambda o: lr_scheduler.StepLR(o, 3),
    "multi-step": lambda o: lr_scheduler.MultiStepLR(o, [2, 5]),
    "constant": lambda o: lr_scheduler.ConstantLR(o, 0.5, 4),
    "linear": lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 5),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, 10, 0.9),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "warm restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
    "sequential": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
    "chained": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=2),
    "averaging": lambda o: swa_utils.SWALR(o, 0.01, 3),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.2, 3, cycle_momentum=True),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.2, total_steps=20, cycle_momentum=True),
}
MOMENTUM_CYCLES = ("cyclic", "one cycle")


def test_a_copy_takes_hooks_schedules_and_groups(make):
    weights, other = copy.deepcopy((parameters(), make(parameters())))
    other = copy.deepcopy(make(weights))
    weights = [p for group in other.param_groups for p in group["params"]]
    seen = []
    other.register_step_post_hook(lambda *_: seen.append("step"))
    other.add_param_group({"params": torch.ones(2, 2, dtype=torch.float64, requires_grad=True)})
    walk(other, weights, 3, schedule=SCHEDULES["one cycle"](other))
    assert seen == 3 * ["step"]


def test_hooks_run_around_steps_and_states(make):
    weights = parameters()
    optimizer = make(weights)
    seen = []

    def note(name):
        return lambda hooked, *_: seen.append((name, hooked is optimizer))

    handles = [
        optimizer.register_step_pre_hook(note("before step")),
        optimizer.register_step_post_hook(note("after step")),
        optimizer.register_state_dict_pre_hook(note("before save")),
        optimizer.register_state_dict_post_hook(note("after save")),
        optimizer.register_load_state_dict_pre_hook(note("before load")),
        optimizer.register_load_state_dict_post_hook(note("after load")),
    ]
    walk(optimizer, weights, 1)
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == [
        (f"{when} {what}", True) for what in ("step", "save", "load") for when in ("before", "after")
    ]
    for handle in handles:
        handle.remove()
    walk(optimizer, weights, 1)
    assert len(seen) == 6


def test_hooks_may_change_what_is_saved_and_loaded(make):
    optimizer = make(parameters())
    optimizer.register_state_dict_post_hook(lambda _, state: {**state, "note": 1})
    assert optimizer.state_dict()["note"] == 1

    def another_rate(_, state):
        groups = copy.deepcopy(state["param_groups"])
        for group in groups:
            group["lr"] = 0.5
        return {**state, "param_groups": groups}

    optimizer.register_load_state_dict_pre_hook(another_rate)
    optimizer.load_state_dict(optimizer.state_dict())
    assert all(group["lr"] == 0.5 for group in optimizer.param_groups)


@pytest.mark.parametrize("to_none", [True, False])
def test_gradients_are_cleared(make, to_none):
    weights = parameters()
    optimizer = make(weights)
    walk(optimizer, weights, 1)
    optimizer.zero_grad(set_to_none=to_none)
    assert all(p.grad is None if to_none else not p.grad.any() for p in weights)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("rate", [float, torch.tensor])
def test_every_schedule_of_torch_sets_its_rates(make, schedule, rate, recwarn):
    weights, plain = parameters(), parameters()
    optimizer, control = make(weights), sgd(plain)
    for group in (*optimizer.param_groups, *control.param_groups):
        group["lr"] = rate(RATE)
    schedules = [SCHEDULES[schedule](o) for o in (optimizer, control)]
    for step in range(LONG):
        walk(optimizer, weights, 1, seed=step, schedule=schedules[0])
        walk(control, plain, 1, seed=step, schedule=schedules[1])
        for group in optimizer.param_groups:
            assert float(group["lr"]) == float(control.param_groups[0]["lr"])
            if schedule in MOMENTUM_CYCLES:
                momentum = group["betas"][0] if "betas" in group else group["momentum"]
                assert momentum == control.param_groups[0]["momentum"]
    assert all(p.isfinite().all() for p in weights)
    assert not [w for w in recwarn if "before `optimizer.step()`" in str(w.message)]


def test_a_gradient_scaler_skips_steps_with_infinities_and_undoes_its_scale(make):
    weights, plain = parameters(torch.float32), parameters(torch.float32)
    optimizer, control = make(weights), make(plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for step in range(LONG):
        scaler.scale(torch.zeros(()))
        for p, q in zip(weights, plain, strict=True):
            q.grad = torch.randn(q.shape, generator=torch.Generator().manual_seed(step))
            p.grad = q.grad * scaler.get_scale()
        torch.manual_seed(step)
        control.step()
        torch.manual_seed(step)
        scaler.step(optimizer)
        scaler.update()
        assert same([weights], [plain])
        weights[1].grad.fill_(torch.inf)
        scaler.scale(torch.zeros(()))
        scaler.step(optimizer)
        scaler.update()
        assert same([weights], [plain])


def test_a_closure_runs_once_with_gradients_and_its_loss_comes_back(make):
    weights, plain = parameters(), parameters()
    optimizer, control = make(weights), make(plain)
    for step in range(LONG):
        ran = []

        def closure():
            ran.append(1)  # noqa: B023
            optimizer.zero_grad()
            loss = sum((p**2).sum() for p in weights)
            loss.backward()
            return loss

        torch.manual_seed(step)
        expected = sum((p**2).sum() for p in weights)
        assert torch.equal(optimizer.step(closure), expected)
        assert ran == [1]
        for p in plain:
            p.grad = 2 * p.detach()
        torch.manual_seed(step)
        assert control.step() is None
        assert same([weights], [plain])


def test_closures_that_raise_leave_no_trace(make):
    weights, plain = parameters(), parameters()
    optimizer = make(weights)

    def closure():
        raise KeyError("no batch")

    for _ in range(5):
        with pytest.raises(KeyError, match="no batch"):
            optimizer.step(closure)
    assert all(group["lr"] == RATE for group in optimizer.param_groups)
    assert same(walk(optimizer, weights), walk(make(plain), plain))


def test_it_says_what_it_is(make):
    optimizer = make(parameters())
    walk(optimizer, parameters(), 1)
    text = repr(optimizer)
    assert text.startswith(type(optimizer).__name__)
    for name in optimizer.defaults:
        assert f"{name}: " in text or name == "differentiable"
    assert optimizer.defaults["lr"] == RATE


def test_parameters_without_gradients_rest_and_may_begin_later(make):
    weights = parameters()
    frozen = weights[1].requires_grad_(False)
    optimizer = make(weights)
    before = frozen.clone()
    walk(optimizer, [weights[0], weights[2]])
    assert torch.equal(frozen, before)
    assert frozen not in optimizer.state
    frozen.requires_grad_()
    walk(optimizer, weights)
    assert not torch.equal(frozen, before)


def test_complex_numbers_train(make):
    """Element by element as their two parts do, where no matrix is multiplied."""
    weights = parameters(torch.complex128)
    parts = [torch.view_as_real(p.detach().clone()).requires_grad_() for p in weights]
    optimizer, control = make(weights), make(parts)
    for _ in range(LONG):
        for p, q in zip(weights, parts, strict=True):
            p.grad = torch.randn_like(p)
            q.grad = torch.view_as_real(p.grad).clone()
        torch.manual_seed(0)
        optimizer.step()
        torch.manual_seed(0)
        control.step()
    for p, q in zip(weights, parts, strict=True):
        assert p.isfinite().all()
        if make is not muon:
            torch.testing.assert_close(torch.view_as_real(p), q, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_parameters_keep_their_type(make, dtype):
    weights = parameters(dtype)
    before = clones(weights)
    walk(make(weights), weights)
    for p, q in zip(weights, before, strict=True):
        assert p.dtype == dtype
        assert p.isfinite().all()
        assert not torch.equal(p, q)


def test_parameters_of_several_types_share_a_group(make):
    weights = [torch.ones(3, 3, dtype=d, requires_grad=True) for d in (torch.float64, torch.float32)]
    walk(make(weights), weights)
    assert all(p.isfinite().all() for p in weights)


def test_names_of_parameters_are_kept(make):
    named = list(zip("abc", parameters(), strict=True))
    optimizer = make(iter(named))
    walk(optimizer, [p for _, p in named], 3)
    groups = optimizer.state_dict()["param_groups"]
    assert [name for group in groups for name in group.get("param_names", ())] == ["a", "b", "c"]
