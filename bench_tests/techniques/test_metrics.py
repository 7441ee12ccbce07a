"""Mean IoU from the pooled confusion matrix against its definition."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_tests.techniques.reference import IGNORE, drawn
from greenbench.tasks.metrics import MeanIoU


def by_definition(predictions, targets, classes):
    """Return the mean IoU over classes that occur, from sets of pixels."""
    valid = targets != IGNORE
    ious = []
    for c in range(classes):
        predicted, true = (predictions == c) & valid, targets == c
        union = int((predicted | true).sum())
        if union:
            ious.append(int((predicted & true).sum()) / union)
    return sum(ious) / len(ious)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 7), st.integers(1, 7)),
    st.sampled_from([torch.uint8, torch.int64]),
    st.integers(0, 2**31),
)
def test_equals_its_definition_over_several_batches(shape, dtype, seed):
    score = MeanIoU(shape[1], IGNORE)
    predictions, masks = [], []
    for part in range(2):
        logits, targets = drawn(shape, seed + part)
        score.update(logits.detach(), targets.to(dtype))
        predictions.append(logits.argmax(1))
        masks.append(targets)
    expected = by_definition(torch.cat(predictions), torch.cat(masks), shape[1])
    assert score.compute()["miou"] == pytest.approx(expected, abs=1e-12)


def test_equals_torchmetrics():
    classification = pytest.importorskip(
        "torchmetrics.classification", reason="torchmetrics, an oracle, is not installed"
    )
    logits, targets = drawn((2, 5, 16, 16), seed=0)
    theirs = classification.MulticlassJaccardIndex(5, ignore_index=IGNORE)(logits, targets)
    score = MeanIoU(5, IGNORE)
    score.update(logits, targets)
    assert score.compute()["miou"] == pytest.approx(float(theirs), abs=1e-6)


def test_the_first_of_equal_logits_is_the_prediction():
    score = MeanIoU(3, IGNORE)
    score.update(torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8))
    assert score.compute()["pixel_accuracy"] == 1


@pytest.mark.parametrize("label", [3, 254, 256, 300])
def test_a_label_outside_the_classes_is_refused(label):
    targets = torch.tensor([[[0, 1], [label, IGNORE]]])
    with pytest.raises(ValueError, match=f"label {label} is outside the classes 0 to 2"):
        MeanIoU(3, IGNORE).add(torch.zeros(1, 2, 2, dtype=torch.int64), targets)


def test_an_ignore_label_among_the_classes_is_refused():
    with pytest.raises(ValueError, match="ignore_index is 2"):
        MeanIoU(3, 2)
