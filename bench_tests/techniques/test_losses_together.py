"""Several sets of labels by one softmax: equal to one after the other in float64, and in no mode but those that say so."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from bench_tests.techniques import contract
from greenbench.nn.baselines import CrossEntropy, cross_entropy, valid_cross_entropy
from greenbench.spec.mode import FAST, PAPER
from greenbench.spec.recipe import plain_objective
from greenbench.study.catalog import discover

CATALOG = discover()


def batch(shape, ignored, sets, seed=0):
    draws = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(4, 6, *shape, generator=draws)
    targets = torch.randint(6, (sets, 4, *shape), generator=draws)
    if ignored is not None:
        targets[torch.rand(targets.shape, generator=draws) < 0.3] = ignored
        targets[-1] = ignored  # and one set without a valid label
    weights = torch.rand(sets, generator=draws).tolist()
    return logits.requires_grad_(), list(zip(weights, targets, strict=True))


@pytest.mark.parametrize("sets", [1, 2, 4])
@pytest.mark.parametrize(("shape", "ignored"), [((), None), ((5, 7), None), ((5, 7), 255)])
def test_the_sum_and_its_gradient_are_those_of_float64(shape, ignored, sets):
    logits, weighted = batch(shape, ignored, sets)
    loss = cross_entropy(ignored).together(logits, weighted)
    loss.backward()
    exact = logits.detach().double().requires_grad_()
    expected = sum(
        weight * valid_cross_entropy(exact, targets, -100 if ignored is None else ignored)
        for weight, targets in weighted
    )
    expected.backward()
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=1e-5, atol=1e-8)


def test_shares_of_classes_are_summed_one_after_the_other():
    logits, weighted = batch((), None, 2)
    shares = [(weight, F.one_hot(labels, 6).float()) for weight, labels in weighted]
    loss = cross_entropy()
    torch.testing.assert_close(loss.together(logits, shares), loss.together(logits, weighted))


def objective(mode, loss, sets):
    outputs, weighted = batch((), None, sets)
    return plain_objective(SimpleNamespace(network=lambda x: x, loss=loss, mode=mode), outputs, weighted)


def called(monkeypatch, name):
    """Return a list that grows with every call of this method of the cross-entropy."""
    asked, method = [], getattr(CrossEntropy, name)
    monkeypatch.setattr(CrossEntropy, name, lambda *given: asked.append(1) or method(*given))
    return asked


def test_only_a_mode_that_says_so_computes_several_sets_together(monkeypatch):
    asked, loss = called(monkeypatch, "together"), cross_entropy()
    found = {(mode.name, sets): objective(mode, loss, sets) for mode in (PAPER, FAST) for sets in (1, 2)}
    assert len(asked) == 1
    assert found["paper", 1] == found["fast", 1]
    torch.testing.assert_close(found["paper", 2], found["fast", 2])
    torch.testing.assert_close(objective(FAST, F.cross_entropy, 2), found["paper", 2])


@pytest.mark.parametrize("workload", ["digits", "scenes4"])
def test_mixup_trains_alike_with_one_softmax(workload, monkeypatch):
    recipe = CATALOG.technique("mixup")(contract.small(CATALOG.workloads[workload]))
    joint = replace(PAPER, joint_losses=True)
    asked = called(monkeypatch, "together")
    one, other = (next(contract.trainer(recipe, mode=mode).remaining_steps()) for mode in (PAPER, joint))
    torch.testing.assert_close(one, other)
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["baseline", "one_branch", "sam", "gradient_accumulation"])
def test_a_loss_that_upsamples_by_itself_trains_alike(name, monkeypatch):
    asked = called(monkeypatch, "upsampled")
    recipe = CATALOG.technique(name)(contract.small(CATALOG.workloads["scenes4"]))
    joint = replace(PAPER, joint_upsampling=True)
    whole, coarse = (contract.trainer(recipe, mode=mode) for mode in (PAPER, joint))
    torch.testing.assert_close(next(whole.remaining_steps()), next(coarse.remaining_steps()))
    assert asked
    for weights, others in zip(whole.network.parameters(), coarse.network.parameters(), strict=True):
        torch.testing.assert_close(weights, others, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["focal", "soft_dice", "label_smoothing", "distillation", "mixup"])
def test_all_pixels_are_there_for_whatever_needs_them(name, monkeypatch):
    asked = called(monkeypatch, "upsampled")
    recipe = CATALOG.technique(name)(contract.small(CATALOG.workloads["scenes4"]))
    trainer = contract.trainer(replace(recipe, teacher=None), mode=FAST)
    trainer.teacher = trainer.network
    next(trainer.remaining_steps())
    assert not asked


def test_shares_of_classes_are_upsampled_at_once():
    logits, targets = torch.randn(2, 3, 4, 4), torch.rand(2, 3, 9, 9).softmax(1)
    full = F.interpolate(logits, (9, 9), mode="bilinear", align_corners=True)
    assert cross_entropy().upsampled(logits, targets) == F.cross_entropy(full, targets)
