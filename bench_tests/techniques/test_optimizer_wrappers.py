"""LookAhead and the random gradient with the optimizers that they wrap."""

import copy

import pytest
import torch
from torch.optim import LBFGS, Adam

from bench_tests.techniques.optimizer_kinds import clones, parameters, same, sgd, walk
from greenbench.nn.optimizers.lookahead import Lookahead
from greenbench.nn.optimizers.random_gradient import RandomGradient


def test_lookahead_that_is_copied_or_saved_while_it_is_judged_trains_on_from_the_fast_weights():
    weights = parameters()
    optimizer = Lookahead(sgd(weights))
    fast = walk(optimizer, weights, 7)[-1]
    optimizer.eval()
    optimizer.eval()
    copied, other = copy.deepcopy((weights, optimizer))
    saved = clones(weights)
    resumed = Lookahead(sgd(saved))
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for judged, its_optimizer in ((weights, optimizer), (copied, other), (saved, resumed)):
        assert not same([judged], [fast])
        its_optimizer.train()
        assert same([judged], [fast])


def test_lookahead_refuses_a_step_while_it_is_judged():
    weights = parameters()
    optimizer = Lookahead(sgd(weights))
    walk(optimizer, weights, 3)
    optimizer.eval()
    with pytest.raises(RuntimeError, match=r"slow weights into the network; call train\(\) before step\(\)"):
        optimizer.step()


@pytest.mark.parametrize("wrap", [Lookahead, RandomGradient])
def test_a_wrapper_follows_a_state_that_its_inner_optimizer_loads(wrap):
    inner = sgd(parameters())
    optimizer = wrap(inner)
    state = copy.deepcopy(inner.state_dict())
    state["param_groups"][0]["lr"] = 0.5
    inner.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups is inner.param_groups


def test_lookahead_loads_the_state_of_the_optimizer_that_it_now_wraps():
    weights = parameters()
    plain = sgd(weights)
    walk(plain, weights, 3)
    others = clones(weights)
    optimizer = Lookahead(sgd(others))
    optimizer.load_state_dict(copy.deepcopy(plain.state_dict()))
    ours, theirs = walk(optimizer, others, 5), walk(plain, weights, 5)
    assert same(ours[:4], theirs[:4])
    assert not same(ours[4:], theirs[4:])


@pytest.mark.parametrize("wrap", [Lookahead, RandomGradient])
def test_a_wrapper_has_the_inner_optimizer_s_methods_and_none_of_its_promises(wrap):
    optimizer = RandomGradient(Lookahead(sgd(parameters())))
    assert hasattr(optimizer, "eval")
    assert hasattr(optimizer, "train")
    assert not hasattr(RandomGradient(sgd(parameters())), "eval")
    with pytest.raises(AttributeError, match="no attribute 'evaluate'"):
        optimizer.evaluate()
    fused = wrap(Adam(parameters(), fused=True))
    assert hasattr(fused.inner, "_step_supports_amp_scaling")
    assert not hasattr(fused, "_step_supports_amp_scaling")


def test_lookahead_runs_around_an_optimizer_that_calls_its_closure_many_times():
    weights = torch.ones(3, requires_grad=True)
    optimizer = Lookahead(LBFGS([weights], lr=0.1), k=2)

    def closure():
        optimizer.zero_grad()
        loss = (weights**2).sum()
        loss.backward()
        return loss

    losses = [float(optimizer.step(closure).detach()) for _ in range(6)]
    assert losses[-1] < 0.1 * losses[0]
