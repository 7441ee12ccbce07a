"""Boundary label relaxation against its definition, pixel by pixel."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_tests.techniques.reference import IGNORE, drawn, in_layout, same_value_and_gradient
from greenbench.nn.losses.label_relaxation import label_relaxation

shapes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 7), st.integers(1, 7))
seeds = st.integers(0, 2**31)


def neighborhood(labels, n, i, j):
    """Return the set of valid classes in the 3x3 neighborhood of a pixel."""
    window = labels[n, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
    return sorted(set(window.flatten().tolist()) - {IGNORE})


def by_definition(logits, labels):
    """Loop over the pixels, in float64."""
    log_p = logits.double().log_softmax(1)
    terms = []
    for n in range(labels.shape[0]):
        for i in range(labels.shape[1]):
            for j in range(labels.shape[2]):
                near = neighborhood(labels, n, i, j)
                if near:
                    terms.append(-log_p[n, near, i, j].logsumexp(0))
    return torch.stack(terms).mean()


@settings(deadline=None, max_examples=60)
@given(shapes, st.booleans(), st.sampled_from([0.0, 0.2, 0.8]), seeds)
def test_equals_its_definition(shape, channels_last, ignored, seed):
    logits, labels = drawn(shape, seed, ignored)
    same_value_and_gradient(
        lambda x: label_relaxation(x, labels, IGNORE),
        lambda x: by_definition(x, labels),
        in_layout(logits, channels_last),
    )


@settings(deadline=None, max_examples=30)
@given(shapes, seeds)
def test_equals_cross_entropy_off_boundaries(shape, seed):
    logits, labels = drawn(shape, seed)
    labels = torch.full_like(labels, shape[1] - 1)
    same_value_and_gradient(
        lambda x: label_relaxation(x, labels, IGNORE), lambda x: F.cross_entropy(x, labels), logits
    )


@settings(deadline=None, max_examples=30)
@given(shapes, seeds)
def test_is_never_above_cross_entropy(shape, seed):
    logits, labels = drawn(shape, seed, ignored=0)
    relaxed, plain = label_relaxation(logits, labels).detach(), F.cross_entropy(logits, labels).detach()
    assert float(relaxed) <= float(plain) + 1e-12


def test_is_0_where_the_neighborhood_holds_every_class():
    labels = torch.tensor([[[0, 1], [2, 3]]])
    logits, _ = drawn((1, 4, 2, 2), seed=0)
    assert float(label_relaxation(logits.detach(), labels)) == pytest.approx(0, abs=1e-12)


def test_an_ignored_pixel_beside_a_labeled_one_counts():
    labels = torch.tensor([[[1, IGNORE, IGNORE]]])
    logits, _ = drawn((1, 3, 1, 3), seed=0)
    (gradient,) = torch.autograd.grad(label_relaxation(logits, labels, IGNORE), logits)
    assert gradient[0, :, 0].any(0).tolist() == [True, True, False]


def test_does_not_depend_on_how_images_are_batched():
    # The public code's broadcast doubles the loss of a batch of two.
    logits, labels = drawn((1, 4, 6, 6), seed=3, ignored=0)
    one = label_relaxation(logits, labels)
    two = label_relaxation(torch.cat((logits, logits)), torch.cat((labels, labels)))
    torch.testing.assert_close(one, two)


def test_flat_logits_are_refused():
    with pytest.raises(ValueError, match=r"label relaxation takes \(N, C, H, W\)"):
        label_relaxation(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
