"""What is evaluated, and the batches of labeled images that the training loop gets."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from greenbench.data.augmentation import Augmentation
from greenbench.data.evaluated import evaluated_indices
from greenbench.data.images import ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.normalization import Normalization


class Sizes:
    """Data of which only the sizes are known."""

    def __init__(self, train, validation):
        self._sizes = {"train": train, "validation": validation}

    def size(self, split):
        return self._sizes[split]


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_evaluated_images_are_all_of_validation_and_as_many_evenly_spaced_for_training(train, validation):
    data = Sizes(train, validation)
    assert evaluated_indices(data, "validation") == list(range(validation))
    chosen = evaluated_indices(data, "train")
    assert len(chosen) == len(set(chosen)) == min(train, validation)
    assert chosen[0] == 0
    assert chosen[-1] < train
    gaps = {after - before for before, after in pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_every_class_of_a_sorted_training_set_is_evaluated():
    labels = torch.arange(100).repeat_interleave(500)
    chosen = evaluated_indices(Sizes(len(labels), 10_000), "train")
    assert labels[chosen].bincount().tolist() == [100] * 100


@pytest.fixture
def images():
    """Return ten random images."""
    return torch.randint(
        0, 256, (10, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.fixture
def data(images):
    """Return seven images for training and three for validation, labeled with their number."""
    return LabelData(
        ResidentImages(images[:7], torch.arange(7)),
        ResidentImages(images[7:], torch.arange(3)),
        augmentation=Augmentation(padding=0, flip=False, rotation_degrees=8),
        normalization=Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        version="v",
        device=torch.device("cpu"),
    )


def test_an_epoch_shows_every_training_image_once_in_a_new_order(data):
    source = torch.Generator().manual_seed(0)
    orders = []
    for _ in range(2):
        labels = [targets.tolist() for _, targets in data.training_batches(4, 1.0, source)]
        assert [len(batch) for batch in labels] == [4, 3]
        assert len(labels) == data.steps_per_epoch(4)
        orders.append([label for batch in labels for label in batch])
        assert sorted(orders[-1]) == list(range(7))
    assert orders[0] != orders[1]


def test_validation_images_are_not_augmented(data, images):
    ((batch, targets),) = data.evaluation_batches("validation")
    assert targets.tolist() == [0, 1, 2]
    assert torch.equal(batch, images[7:])


def test_bytes_become_inputs_by_the_normalization(data, images):
    assert torch.allclose(data.normalize(images), images / 127.5 - 1, atol=1e-6)


def test_a_size_factor_lowers_the_resolution_of_the_same_views(data):
    whole = list(data.training_batches(7, 1.0, torch.Generator().manual_seed(0)))
    half = list(data.training_batches(7, 0.5, torch.Generator().manual_seed(0)))
    ((images, targets),), ((small, same_targets),) = whole, half
    assert small.shape == (7, 3, 6, 6)
    assert small.dtype == torch.uint8
    assert torch.equal(targets, same_targets)
    # Smoothed, not picked: the mean brightness stays, and no pixel is as far from it as noise is.
    means = [batch.float().mean((1, 2, 3)) for batch in (images, small)]
    assert (means[0] - means[1]).abs().max() < 12
    assert small.float().std() < 0.7 * images.float().std()


@pytest.mark.parametrize(("batch_size", "sizes"), [(3, [3, 3]), (1, [1] * 7), (7, [7]), (8, [7])])
def test_a_last_batch_of_a_single_image_is_left_out(data, batch_size, sizes):
    batches = list(data.training_batches(batch_size, 1.0, torch.Generator()))
    assert [len(targets) for _, targets in batches] == sizes
    assert data.steps_per_epoch(batch_size) == len(sizes)
