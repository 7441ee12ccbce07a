"""What torch's own optimizers do with saved states, copies and groups, asked of every optimizer of the package."""

import copy
import io
import pickle
from collections import defaultdict

import pytest
import torch
from torch import nn

from bench_tests.techniques.optimizer_kinds import (
    RATE,
    clones,
    every_kind,
    parameters,
    same,
    saved_and_loaded,
    walk,
)

pytestmark = every_kind


def through_a_file(pair):
    file = io.BytesIO()
    torch.save(pair, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda pair: pickle.loads(pickle.dumps(pair)),
    "torch.save": through_a_file,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("after", [0, 4, 7])
def test_a_copy_goes_on_bit_for_bit_and_apart(make, copied, after):
    weights = parameters()
    optimizer = make(weights)
    walk(optimizer, weights, after)
    others, other = copied((weights, optimizer))
    untouched = clones(weights)
    path = walk(other, others, seed=1)
    assert same([weights], [untouched])
    assert same(path, walk(optimizer, weights, seed=1))
    assert type(other) is type(optimizer)
    assert repr(other) == repr(optimizer)
    assert other.defaults.keys() - {"differentiable"} == optimizer.defaults.keys() - {"differentiable"}


@pytest.mark.parametrize("after", [0, 3, 8])
def test_a_saved_state_goes_on_bit_for_bit_in_a_fresh_optimizer(make, after):
    weights = parameters()
    optimizer = make(weights)
    walk(optimizer, weights, after)
    state = optimizer.state_dict()
    assert state.keys() == {"state", "param_groups"}
    assert set(state["state"]) <= {0, 1, 2}
    others = clones(weights)
    fresh = make(others)
    fresh.load_state_dict(saved_and_loaded(state))
    assert repr(fresh) == repr(optimizer)
    assert same(walk(fresh, others, seed=1), walk(optimizer, weights, seed=1))


def test_a_loaded_state_follows_the_parameters_type(make):
    weights = parameters()
    optimizer = make(weights)
    walk(optimizer, weights)
    others = [p.detach().float().requires_grad_() for p in weights]
    fresh = make(others)
    fresh.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    kept = [v for s in fresh.state.values() for k, v in s.items() if torch.is_tensor(v) and k != "step"]
    assert {value.dtype for value in kept} <= {torch.float32}
    assert all(p.isfinite().all() for step in walk(fresh, others) for p in step)


def test_a_step_may_be_saved_as_a_number(make):
    """As torch's optimizers of some years ago did."""
    weights = parameters()
    optimizer = make(weights)
    walk(optimizer, weights, 8)
    state = saved_and_loaded(optimizer.state_dict())
    for kept in state["state"].values():
        kept.update({"step": float(kept["step"])} if "step" in kept else {})
    others = clones(weights)
    fresh = make(others)
    fresh.load_state_dict(state)
    assert same(walk(fresh, others, seed=1), walk(optimizer, weights, seed=1))


def test_a_state_of_another_shape_is_refused(make):
    state = make(parameters()).state_dict()
    other = make(parameters())
    other.add_param_group({"params": [torch.ones(2, requires_grad=True)]})
    with pytest.raises(ValueError, match="different number of parameter groups"):
        other.load_state_dict(state)


def test_weights_that_are_loaded_after_construction_are_those_that_train(make):
    weights = parameters()
    optimizer = make(weights)
    others = [p.detach().mul(3).requires_grad_() for p in weights]
    with torch.no_grad():
        torch._foreach_mul_(weights, 3)
    assert same(walk(optimizer, weights), walk(make(others), others))


def test_a_group_that_is_added_at_the_start_is_as_one_given_to_the_constructor(make):
    whole, weights = parameters(), parameters()
    optimizer = make(weights[:2])
    optimizer.add_param_group({"params": weights[2]})
    assert same(walk(optimizer, weights), walk(make(whole), whole))
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": weights[2]})


def test_a_group_that_is_added_later_trains_at_its_rate_and_is_saved(make):
    weights = parameters()
    optimizer = make(weights[:2])
    walk(optimizer, weights[:2], 4)
    still = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer.add_param_group({"params": [weights[2]]})
    optimizer.add_param_group({"params": [still], "lr": 0.0})
    assert optimizer.param_groups[-2]["lr"] == RATE
    before = weights[2].detach().clone()
    walk(optimizer, [*weights, still], 8)
    assert not torch.equal(before, weights[2])
    assert torch.equal(still, torch.ones_like(still))

    others = clones([*weights, still])
    fresh = make(others[:2])
    fresh.add_param_group({"params": [others[2]]})
    fresh.add_param_group({"params": [others[3]]})
    fresh.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    assert same(walk(fresh, others, seed=1), walk(optimizer, [*weights, still], seed=1))


def test_groups_can_be_changed_replaced_and_removed(make):
    weights = parameters()
    optimizer = make(weights[:2])
    optimizer.add_param_group({"params": weights[2:]})
    walk(optimizer, weights, 3)
    optimizer.param_groups = optimizer.param_groups[:1]
    before = clones(weights)
    walk(optimizer, weights, 3)
    assert torch.equal(before[2], weights[2])
    assert not torch.equal(before[0], weights[0])
    before = clones(weights[:1])
    for group in optimizer.param_groups:
        group.update(lr=0.0, weight_decay=0.0)
    path = walk(optimizer, weights, 1)
    assert same([path[-1][:1]], [before])


def test_a_state_can_be_thrown_away(make):
    """The next steps are those of a new optimizer."""
    weights = parameters()
    optimizer = make(weights)
    walk(optimizer, weights, 6)
    optimizer.state = defaultdict(dict)
    for group, fresh in zip(optimizer.param_groups, make(parameters()).param_groups, strict=True):
        group.update({name: value for name, value in fresh.items() if name != "params"})
    others = clones(weights)
    assert same(walk(optimizer, weights, seed=1), walk(make(others), others, seed=1))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("after", [0, 8])
@pytest.mark.parametrize("has_gradients", [False, True])
def test_distributed_checkpoints_save_and_load(make, flat, after, has_gradients):
    library = pytest.importorskip(
        "torch.distributed.checkpoint.state_dict", reason="this torch has no distributed checkpoints"
    )
    options = library.StateDictOptions(flatten_optimizer_state_dict=flat)
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    weights = list(network.parameters())
    optimizer = make(weights)
    walk(optimizer, weights, after)
    optimizer.zero_grad()
    state = library.get_optimizer_state_dict(network, optimizer, options=options)
    other = copy.deepcopy(network)
    others = list(other.parameters())
    fresh = make(others)
    for p in others:
        p.grad = torch.zeros_like(p) if has_gradients and not flat else None
    library.set_optimizer_state_dict(other, fresh, copy.deepcopy(state), options=options)
    assert same(walk(fresh, others, seed=1), walk(optimizer, weights, seed=1))
