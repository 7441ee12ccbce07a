"""Batches of any data set: the same for any number of workers and after a resume, and of the right types."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset, default_collate

from greenbench.data.augmentation import Augmentation
from greenbench.data.metrics import Accuracy
from greenbench.data.normalization import Normalization
from greenbench.data.samples import Reader
from greenbench.data.streamed import StreamedData
from greenbench.errors import NotApplicable

CPU = torch.device("cpu")
HALF = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Noisy(Dataset):
    """Samples with a random transform that draws from all three generators."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        noise = torch.rand(2), torch.from_numpy(np.random.rand(2)).float()
        return torch.cat([torch.tensor([float(index)]), *noise]), index


def streamed(train, validation=None, *, collate=default_collate, **options):
    readers = {
        "train": Reader(train, "train", collate),
        "validation": Reader(train if validation is None else validation, "validation", collate),
    }
    arguments = {
        "augmentation": None,
        "normalization": HALF,
        "score": Accuracy,
        "evaluation_batch": 4,
        "version": "v",
        "device": CPU,
    }
    return StreamedData(readers, **{**arguments, **options})


def epoch(data, batch_size=4, size_factor=1.0, seed=0):
    return list(data.training_batches(batch_size, size_factor, torch.Generator().manual_seed(seed)))


def images(count, targets, size=(8, 6)):
    pixels = torch.randint(
        256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return list(zip(pixels, targets, strict=True))


def test_an_epoch_shows_every_sample_once_with_new_draws():
    data = streamed(Noisy(10))
    batches = epoch(data)
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert data.steps_per_epoch(4) == 3
    assert sorted(label for _, labels in batches for label in labels.tolist()) == list(range(10))
    values = torch.cat([inputs[:, 1:] for inputs, _ in batches])
    assert len(values.unique()) == values.numel()
    others = {
        round(float(value), 6) for inputs, _ in epoch(data, seed=1) for value in inputs[:, 1:].flatten()
    }
    assert not others & {round(float(value), 6) for value in values.flatten()}


def test_workers_change_nothing_and_draw_from_no_generator_of_this_process():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    alone, shared = (epoch(streamed(Noisy(10), workers=workers)) for workers in (0, 2))
    for (inputs, labels), (their_inputs, their_labels) in zip(alone, shared, strict=True):
        assert torch.equal(inputs, their_inputs)
        assert torch.equal(labels, their_labels)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_an_epoch_that_is_read_again_goes_on_as_the_first():
    data = streamed(Noisy(10))
    whole = epoch(data)
    again = islice(data.training_batches(4, 1.0, torch.Generator().manual_seed(0)), 1, None)
    for (inputs, _), (their_inputs, _) in zip(whole[1:], again, strict=True):
        assert torch.equal(inputs, their_inputs)


def test_evaluation_repeats_itself_and_leaves_none_out():
    data = streamed(Noisy(12), Noisy(5))
    first, second = (list(data.evaluation_batches("validation")) for _ in range(2))
    assert [labels.tolist() for _, labels in first] == [[0, 1, 2, 3], [4]]
    assert all(torch.equal(one[0], other[0]) for one, other in zip(first, second, strict=True))
    assert [labels.tolist() for _, labels in data.evaluation_batches("train")] == [[0, 2, 4, 7], [9]]


def test_numbers_of_64_bits_and_small_labels_become_what_losses_take():
    samples = [
        (np.ones(2), {"price": 1.5, "mask": np.zeros((2, 2), np.uint8), "flag": torch.tensor(True)})
    ] * 2
    ((inputs, targets),) = epoch(streamed(samples))
    assert inputs.dtype == targets["price"].dtype == torch.float32
    assert targets["mask"].dtype == torch.int64
    assert targets["flag"].dtype == torch.bool


def test_token_ids_stay_what_they_are():
    tokens = TensorDataset(torch.arange(12).view(4, 3), torch.arange(4))
    ((inputs, _),) = epoch(streamed(tokens))
    assert inputs.dtype == torch.int64
    assert streamed(tokens).normalize(inputs) is inputs


def test_bytes_alone_are_normalized_also_in_lists_of_images():
    data = streamed(images(2, [0, 1]))
    ((raw, _),) = epoch(data)
    assert raw.dtype == torch.uint8
    expected = raw / 127.5 - 1
    assert torch.allclose(data.normalize(raw), expected, atol=1e-6)
    listed = data.normalize([raw[0], raw[1, :, :4]])
    assert torch.allclose(listed[0], expected[0], atol=1e-6)
    assert listed[1].shape == (3, 4, 6)
    floats = torch.rand(2, 3, 8, 6)
    assert data.normalize(floats) is floats


def test_the_augmentation_moves_training_images_alone():
    samples = images(8, range(8))
    plain, moved = streamed(samples), streamed(samples, augmentation=Augmentation(padding=2, flip=True))
    assert not torch.equal(epoch(plain)[0][0], epoch(moved)[0][0])
    assert torch.equal(epoch(moved)[0][0], epoch(moved)[0][0])
    (_, one), (_, other) = epoch(plain)[0], epoch(moved)[0]
    assert torch.equal(one, other)
    validation, again = (next(iter(data.evaluation_batches("validation")))[0] for data in (plain, moved))
    assert torch.equal(validation, again)


@pytest.mark.parametrize("target", [0, np.arange(3.0)])
def test_lower_resolution_keeps_labels(target):
    ((small, targets),) = epoch(streamed(images(2, [target] * 2)), size_factor=0.5)
    assert small.shape == (2, 3, 4, 3)
    assert small.dtype == torch.uint8
    assert targets[0].tolist() == torch.as_tensor(target).tolist()


def test_lower_resolution_takes_masks_along():
    mask = np.zeros((8, 6), np.uint8)
    mask[4:] = 7
    ((small, targets),) = epoch(streamed(images(2, [mask] * 2)), size_factor=0.5)
    assert small.shape[2:] == targets.shape[1:] == (4, 3)
    assert targets[0].tolist() == [[0] * 3] * 2 + [[7] * 3] * 2


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        ([(torch.arange(3), 0)] * 2, r"needs images \(N, C, H, W\)"),
        (images(2, [{"boxes": torch.zeros(1, 4)}] * 2), "needs targets that are labels or masks"),
        (images(2, [torch.zeros(5, 5)] * 2), "needs targets that are labels or masks"),
    ],
)
def test_lower_resolution_of_what_has_none_does_not_apply(samples, what):
    with pytest.raises(NotApplicable, match=what):
        epoch(streamed(samples), size_factor=0.5)
    assert len(epoch(streamed(samples))) == 1
