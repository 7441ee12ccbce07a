"""Accuracy and mean IoU against references counted one sample or pixel at a time."""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_tests.elsewhere import HostWaits, elsewhere, no_waiting
from greenbench.data.metrics import Accuracy, MeanIoU

IGNORED = 255
seeds = st.integers(0, 2**31)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def score(metric, *batches):
    for logits, targets in batches:
        metric.update(logits, targets)
    return metric.compute()


def random_masks(classes, shape, seed, *, ignored=0.2, absent=()):
    """Return logits (N, C, H, W) and masks without the absent classes, some of it ignored."""
    source = generator(seed)
    count, height, width = shape
    logits = torch.randn(count, classes, height, width, generator=source)
    present = torch.tensor([label for label in range(classes) if label not in absent])
    targets = present[torch.randint(0, len(present), shape, generator=source)]
    targets[torch.rand(shape, generator=source) < ignored] = IGNORED
    targets[0, 0, 0] = present[0]
    return logits, targets.to(torch.uint8)


def reference_iou(logits, targets, classes):
    """Count intersection and union of every class by sets of pixels; return the IoUs of those there are."""
    predictions = logits.argmax(dim=1).flatten().tolist()
    pairs = [(t, p) for t, p in zip(targets.flatten().tolist(), predictions, strict=True) if t != IGNORED]
    ious = []
    for label in range(classes):
        intersection = sum(t == p == label for t, p in pairs)
        union = sum(label in pair for pair in pairs)
        if union:
            ious.append(intersection / union)
    return ious, sum(t == p for t, p in pairs) / len(pairs)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 12), st.integers(1, 40), seeds)
def test_accuracy_is_the_share_of_labels_ranked_first_or_among_five(classes, samples, seed):
    logits = torch.randn(samples, classes, generator=generator(seed))
    targets = torch.randint(0, classes, (samples,), generator=generator(seed + 1))
    ranks = [
        sum(value > row[target] for value in row)
        for row, target in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    found = score(Accuracy(), (logits, targets))
    assert found == {
        "accuracy": sum(rank == 0 for rank in ranks) / samples,
        "top5_accuracy": sum(rank < 5 for rank in ranks) / samples,
    }


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), seeds)
def test_accuracy_over_batches_is_that_of_one_pass(sizes, seed):
    logits = torch.randn(sum(sizes), 7, generator=generator(seed))
    targets = torch.randint(0, 7, (sum(sizes),), generator=generator(seed + 1))
    batches = zip(logits.split(sizes), targets.split(sizes), strict=True)
    assert score(Accuracy(), *batches) == score(Accuracy(), (logits, targets))


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 9), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), seeds)
def test_mean_iou_is_that_of_pixel_sets(classes, count, height, width, seed):
    logits, targets = random_masks(classes, (count, height, width), seed)
    ious, accuracy = reference_iou(logits, targets, classes)
    found = score(MeanIoU(classes, IGNORED), (logits, targets))
    assert found["miou"] == pytest.approx(sum(ious) / len(ious), abs=1e-12)
    assert found["pixel_accuracy"] == pytest.approx(accuracy, abs=1e-12)
    by_class = [value for name, value in found.items() if name.startswith("miou/")]
    assert by_class == pytest.approx(ious, abs=1e-12)


def test_a_class_neither_there_nor_predicted_is_left_out_of_the_mean():
    targets = torch.tensor([[[0, 0, 1, 1]]])
    logits = torch.nn.functional.one_hot(torch.tensor([[[0, 1, 1, 1]]]), 4).permute(0, 3, 1, 2).float()
    assert score(MeanIoU(4, IGNORED), (logits, targets))["miou"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert set(score(MeanIoU(4, IGNORED), (logits, targets))) == {
        "miou",
        "pixel_accuracy",
        "miou/0",
        "miou/1",
    }


def test_a_class_predicted_but_not_there_counts_as_zero():
    targets = torch.zeros(1, 1, 4, dtype=torch.long)
    logits = torch.nn.functional.one_hot(torch.tensor([[[0, 0, 0, 2]]]), 3).permute(0, 3, 1, 2).float()
    assert score(MeanIoU(3, IGNORED), (logits, targets))["miou"] == pytest.approx((3 / 4 + 0) / 2)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 5), st.integers(2, 4), seeds)
def test_mean_iou_over_batches_is_that_of_one_pass_not_the_mean_of_batches(count, parts, seed):
    logits, targets = random_masks(6, (count * parts, 5, 4), seed)
    batches = zip(logits.split(count), targets.split(count), strict=True)
    assert score(MeanIoU(6, IGNORED), *batches) == score(MeanIoU(6, IGNORED), (logits, targets))


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_predictions_on_ignored_pixels_change_nothing(seed):
    logits, targets = random_masks(5, (2, 6, 7), seed, ignored=0.5)
    other = torch.where((targets == IGNORED)[:, None], -logits, logits)
    assert score(MeanIoU(5, IGNORED), (other, targets)) == score(MeanIoU(5, IGNORED), (logits, targets))


def test_the_memory_layout_of_logits_changes_nothing():
    logits, targets = random_masks(5, (2, 6, 7), 0)
    permuted = logits.contiguous(memory_format=torch.channels_last)
    assert score(MeanIoU(5, IGNORED), (permuted, targets)) == score(MeanIoU(5, IGNORED), (logits, targets))


def test_masks_of_bytes_and_of_longs_give_the_same():
    logits, targets = random_masks(171, (1, 20, 20), 0)
    found = score(MeanIoU(171, IGNORED), (logits, targets))
    assert found == score(MeanIoU(171, IGNORED), (logits, targets.long()))


def test_perfect_and_wholly_wrong_predictions():
    targets = torch.randint(0, 3, (2, 5, 5), generator=generator(0))
    right = torch.nn.functional.one_hot(targets, 3).permute(0, 3, 1, 2).float()
    wrong = right.roll(1, dims=1)
    for outputs, value in ((right, 1.0), (wrong, 0.0)):
        found = score(MeanIoU(3, IGNORED), (outputs, targets))
        assert found == dict.fromkeys(("miou", "pixel_accuracy", "miou/0", "miou/1", "miou/2"), value)


def test_the_first_of_equal_logits_is_the_prediction():
    found = score(MeanIoU(3, IGNORED), (torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8)))
    assert found["pixel_accuracy"] == 1


@pytest.mark.parametrize("stray", [5, 6, 200, 254, 256, 300])
def test_a_label_that_is_no_class_is_refused_not_counted(stray):
    logits, targets = random_masks(5, (2, 6, 7), 0)
    targets = targets.long()
    targets[1, 2, 3] = stray
    with pytest.raises(ValueError, match=f"target label {stray} is outside the classes 0 to 4"):
        MeanIoU(5, IGNORED).update(logits, targets)


def test_an_ignore_label_among_the_classes_is_refused():
    with pytest.raises(ValueError, match="ignore_index is 3; it must not be one of 4 classes"):
        MeanIoU(4, 3)


@pytest.mark.parametrize("absent", [(), (2,), (0, 3)])
def test_mean_iou_equals_torchmetrics(absent):
    classification = pytest.importorskip(
        "torchmetrics.classification", reason="torchmetrics is not installed"
    )
    logits, targets = random_masks(6, (3, 16, 17), 1, absent=absent)
    theirs = classification.MulticlassJaccardIndex(6, ignore_index=IGNORED)
    theirs.update(logits, targets.long())
    assert score(MeanIoU(6, IGNORED), (logits, targets))["miou"] == pytest.approx(
        float(theirs.compute()), abs=1e-6
    )


@pytest.mark.parametrize(
    ("predictions", "targets", "told"),
    [
        ([4, 4, 8, 0], [0, 0, 0, 0], "predicted class 8 is outside the classes 0 to 2;"),
        ([0, 0, -1, 0], [1, 1, 1, 1], "predicted class -1 is outside the classes 0 to 2;"),
        ([0, 0, 0, 0], [0, 2**32 + 1, 0, 0], "target label 4294967297 is outside the classes 0 to 2 and"),
        ([0, 0, 0, 0], [0, -1, 0, 0], "target label -1 is outside the classes 0 to 2 and"),
        ([0, 0, 0, 0], [0.5, 0.0, 0.0, 0.0], "target labels are torch.float32; they must be integers"),
    ],
)
def test_values_that_are_no_class_are_refused_by_name(predictions, targets, told):
    with pytest.raises(ValueError, match=told):
        MeanIoU(3, IGNORED).add(torch.tensor([[predictions]]), torch.tensor([[targets]]))


def test_a_network_of_more_classes_than_the_metric_is_refused():
    logits = torch.zeros(1, 5, 2, 2)
    logits[:, 4] = 1
    with pytest.raises(ValueError, match="predicted class 4 is outside the classes 0 to 2;"):
        MeanIoU(3, IGNORED).update(logits, torch.zeros(1, 2, 2, dtype=torch.long))


@pytest.mark.parametrize("stray", [-1, 3, 255, 2**32])
def test_accuracy_refuses_labels_that_are_no_class(stray):
    with pytest.raises(ValueError, match=f"label {stray} is outside the classes 0 to 2; check the labels"):
        Accuracy().update(torch.randn(4, 3), torch.tensor([0, stray, 1, 2]))


OVER_NOTHING = [
    (Accuracy(), torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)),
    (MeanIoU(3, IGNORED), torch.zeros(0, 3, 2, 2), torch.zeros(0, 2, 2, dtype=torch.long)),
    (MeanIoU(3, IGNORED), torch.zeros(1, 3, 2, 2), torch.full((1, 2, 2), IGNORED)),
]


@pytest.mark.parametrize(("metric", "logits", "targets"), OVER_NOTHING)
def test_a_score_over_nothing_is_nan(metric, logits, targets):
    assert all(math.isnan(value) for value in score(metric, (logits, targets)).values())
    assert not metric.diverged


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("everywhere", [True, False])
def test_outputs_that_name_no_class_have_no_score(bad, everywhere):
    """The largest of NaNs would be class 0, and right wherever that is the target."""
    for metric, shape in ((Accuracy(), (2, 3)), (MeanIoU(3, IGNORED), (2, 3, 2, 2))):
        logits = torch.full(shape, bad) if everywhere else torch.zeros(shape)
        logits[0] = bad
        found = score(metric, (logits, torch.zeros(shape[:1] + shape[2:], dtype=torch.long)))
        assert all(math.isnan(value) for value in found.values())
        assert metric.diverged


def test_a_class_that_is_masked_by_minus_infinity_is_only_never_predicted():
    logits, targets = random_masks(5, (2, 6, 7), 0)
    logits[:, 4] = -math.inf
    metric = MeanIoU(5, IGNORED)
    assert 0 < score(metric, (logits, targets))["miou"] < 1
    assert not metric.diverged


def scored_elsewhere(make, *batches):
    """Return a score whose updates are queued on a device, where nothing may wait for them before they are read."""
    with elsewhere() as device:
        metric = make()
        sent = [tuple(values.to(device, non_blocking=True) for values in batch) for batch in batches]
        with no_waiting():
            for logits, targets in sent:
                metric.update(logits, targets)
        return metric.compute()


@pytest.mark.parametrize("classes", [2, 19, 171])
def test_a_device_counts_as_a_cpu_does_and_waits_for_nothing(classes):
    masks = [random_masks(classes, (2, 11, 13), seed) for seed in range(3)]
    masks += [(logits, targets.long()) for logits, targets in masks[:1]]
    logits = torch.randn(40, classes, generator=generator(0))
    labels = torch.randint(0, classes, (40,), generator=generator(1))
    for make, batches in (
        (partial(MeanIoU, classes, IGNORED), masks),
        (Accuracy, [(logits, labels), (logits[:3], labels[:3])]),
    ):
        assert scored_elsewhere(make, *batches) == score(make(), *batches)


def test_asking_a_device_before_the_end_would_wait():
    with elsewhere() as device:
        metric = Accuracy()
        metric.update(torch.zeros(2, 3).to(device), torch.zeros(2, dtype=torch.long).to(device))
        with pytest.raises(HostWaits, match="reads values"):
            with_no_waiting(lambda: metric.diverged)


def with_no_waiting(ask):
    with no_waiting():
        ask()


@pytest.mark.parametrize("stray", [-1, 5, 254, 256, 2**32 + 1])
def test_a_device_refuses_what_is_no_class_at_the_end(stray):
    logits, targets = random_masks(5, (2, 6, 7), 0)
    targets = targets.long()
    targets[1, 2, 3] = stray
    with pytest.raises(ValueError, match=f"target label {stray} is outside the classes 0 to 4 and"):
        scored_elsewhere(partial(MeanIoU, 5, IGNORED), (logits, targets), random_masks(5, (2, 6, 7), 1))
    with pytest.raises(ValueError, match=f"label {stray} is outside the classes 0 to 2; check"):
        scored_elsewhere(Accuracy, (torch.randn(2, 3), torch.tensor([0, stray])))


def test_a_device_refuses_a_network_of_more_classes_at_the_end():
    logits = torch.zeros(1, 5, 2, 2)
    logits[:, 4] = 1
    targets = torch.zeros(1, 2, 2, dtype=torch.long)
    with pytest.raises(ValueError, match="predicted class 4 is outside the classes 0 to 2;"):
        scored_elsewhere(partial(MeanIoU, 3, IGNORED), (logits, targets))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_device_finds_outputs_that_name_no_class(bad):
    logits = torch.zeros(2, 3)
    logits[0, 1] = bad
    found = scored_elsewhere(Accuracy, (logits, torch.zeros(2, dtype=torch.long)))
    assert all(math.isnan(value) for value in found.values())
