"""Mixup on batches: what is mixed with what, how much of it, and what the loss becomes."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from greenbench.study.catalog import discover
from greenbench.techniques.mixup import draw_share, mixup

WORKLOADS = discover().workloads
IGNORE_INDEX = 255

seeds = st.integers(0, 2**31)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def mix(images, targets, seed, recipe=None):
    recipe = recipe or WORKLOADS["digits"].recipe("smoke")
    return mixup(recipe).batch_transform(images, targets, generator(seed))


def numbered(count):
    """Return images that hold their own number, and labels that are that number."""
    return torch.arange(count, dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 3, 4, 4), torch.arange(count)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 20), seeds)
def test_images_and_labels_are_mixed_with_the_same_partner_and_share(count, seed):
    images, labels = numbered(count)
    mixed, ((own_share, own), (other_share, other)) = mix(images, labels, seed)
    assert torch.equal(own, labels)
    assert sorted(other.tolist()) == labels.tolist(), "partners are a permutation of the batch"
    assert own_share + other_share == pytest.approx(1, abs=1e-12)
    assert 0 <= own_share <= 1
    expected = own_share * own.double() + other_share * other.double()
    torch.testing.assert_close(mixed[:, 0, 0, 0], expected, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 9), st.integers(2, 6), seeds)
def test_the_loss_is_cross_entropy_with_mixed_one_hot_labels(count, classes, seed):
    logits = torch.randn(count, classes, dtype=torch.float64, generator=generator(seed))
    labels = torch.randint(0, classes, (count,), generator=generator(seed + 1))
    _, weighted = mix(torch.zeros(count, 3, 2, 2), labels, seed)
    loss = sum(weight * F.cross_entropy(logits, target) for weight, target in weighted)
    soft = sum(weight * F.one_hot(target, classes).double() for weight, target in weighted)
    torch.testing.assert_close(loss, F.cross_entropy(logits, soft), rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_masks_move_with_their_images_and_keep_ignored_pixels(seed):
    masks = torch.randint(0, 4, (6, 5, 7), generator=generator(seed))
    masks[:, 0] = IGNORE_INDEX
    images = masks[:, None].double().expand(-1, 3, -1, -1)
    recipe = WORKLOADS["scenes4"].recipe("smoke")
    mixed, ((share, own), (rest, other)) = mix(images, masks, seed, recipe)
    torch.testing.assert_close(
        mixed[:, 0], share * own.double() + rest * other.double(), rtol=1e-12, atol=1e-12
    )
    assert torch.equal(own, masks)
    assert (other[:, 0] == IGNORE_INDEX).all()


def test_the_batch_given_is_left_alone():
    images, labels = numbered(5)
    images = images.clone()
    before = images.clone()
    mix(images, labels, 0)
    assert torch.equal(images, before)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_share_is_drawn_from_the_beta_distribution(alpha):
    stats = pytest.importorskip("scipy.stats")
    source = generator(1)
    draws = [draw_share(alpha, source) for _ in range(3000)]
    assert stats.kstest(draws, stats.beta(alpha, alpha).cdf).pvalue > 1e-3
    # One share serves the whole batch: it is not folded into the larger half.
    assert sum(draws) / len(draws) == pytest.approx(0.5, abs=4 * math.sqrt(1 / 4 / len(draws)))


def test_the_draws_follow_the_generator_alone():
    images, labels = numbered(8)
    first, second = mix(images, labels, 1), mix(images, labels, 1)
    assert torch.equal(first[0], second[0])
    assert first[1][0][0] == second[1][0][0]
    assert first[1][0][0] != mix(images, labels, 2)[1][0][0]


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ValueError, match=f"alpha is {alpha}; it must be positive"):
        draw_share(alpha, generator(0))


def test_it_mixes_what_an_earlier_transform_made():
    recipe = WORKLOADS["digits"].recipe("smoke")

    def doubled(images, targets, _generator):
        return 2 * images, [(0.25, targets), (0.75, targets + 100)]

    images, labels = numbered(6)
    mixed, weighted = mix(images, labels, 3, replace(recipe, batch_transform=doubled))
    assert sum(weight for weight, _ in weighted) == pytest.approx(1)
    (a, first), (b, second), (c, third), (d, fourth) = weighted
    assert torch.equal(second, first + 100)
    assert torch.equal(fourth, third + 100)
    assert (a / (a + b), c / (c + d)) == pytest.approx((0.25, 0.25))
    expected = 2 * ((a + b) * first.double() + (c + d) * third.double())
    torch.testing.assert_close(mixed[:, 0, 0, 0], expected, rtol=1e-12, atol=1e-12)
