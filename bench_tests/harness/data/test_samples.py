"""Reading samples of any data set: seeds, tensors, digests, labels, and what is said of samples that fail."""

import contextlib
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset, TensorDataset, default_collate

from greenbench.data.samples import Reader, classes_of, digest, labels_of, seed_all, seeds_put_back
from greenbench.errors import UserError


def reader(*pairs, collate=default_collate):
    return Reader(pairs, "train", collate)


def draws():
    return torch.rand(1).item(), float(np.random.rand()), random.random()


def test_a_seed_decides_all_three_generators_and_leaves_them_as_they_were():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    seen = []
    with seeds_put_back():
        for seed in (5, 6, 5):
            seed_all(seed)
            seen.append(draws())
    assert seen[0] == seen[2]
    assert not set(seen[0]) & set(seen[1])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def test_a_seed_is_put_back_after_an_error():
    before = random.getstate()
    with contextlib.suppress(KeyError), seeds_put_back():
        seed_all(5)
        raise KeyError
    assert random.getstate() == before


def test_a_sample_is_the_same_alone_and_in_any_batch():
    class Noisy(list):
        def __getitem__(self, index):
            return torch.tensor(draws()), index

    read = Reader(Noisy(range(4)), "train", default_collate)
    before = random.getstate()
    alone = read.sample((2, 7))[0]
    for keys in ([(2, 7)], [(0, 1), (2, 7)], [(2, 7), (3, 3)]):
        batch, indices = read(keys)
        assert torch.equal(batch[indices.tolist().index(2)], alone)
    assert random.getstate() == before


RGB = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
GRAY = np.arange(8, dtype=np.uint8).reshape(2, 4)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Image.fromarray(RGB), torch.from_numpy(RGB).permute(2, 0, 1)),
        (Image.fromarray(GRAY), torch.from_numpy(GRAY).expand(3, -1, -1)),
        (RGB, torch.from_numpy(RGB).permute(2, 0, 1)),
        (GRAY, torch.from_numpy(GRAY)[None]),
        (RGB[::-1], torch.from_numpy(RGB[::-1].copy()).permute(2, 0, 1)),
        (np.ones(3, np.float64), torch.ones(3, dtype=torch.float64)),
        (torch.ones(3), torch.ones(3)),
    ],
)
def test_images_and_arrays_become_tensors(given, expected):
    image, _ = reader((given, 0)).sample((0, 0))
    assert image.dtype == expected.dtype
    assert torch.equal(image, expected)


def test_masks_keep_the_ids_that_they_store():
    palette = Image.fromarray(GRAY).convert("P")
    palette.putdata(GRAY.flatten().tolist())
    deep = np.array([[1, 60_000]], np.uint16)
    for mask, expected in ((palette, GRAY), (Image.fromarray(GRAY), GRAY), (GRAY, GRAY), (deep, deep)):
        _, target = reader((RGB, mask)).sample((0, 0))
        assert target.tolist() == expected.tolist()


def test_structures_keep_their_form():
    boxes = {"boxes": np.zeros((2, 4), np.float32), "labels": [1, 2], "name": "a"}
    inputs, target = reader(((RGB, [1, 2]), boxes)).sample((0, 0))
    assert inputs[0].shape == (3, 2, 4)
    assert inputs[1] == [1, 2]
    assert target["boxes"].shape == (2, 4)
    assert (target["labels"], target["name"]) == ([1, 2], "a")


class Broken:
    def __len__(self):
        return 3

    def __getitem__(self, index):
        raise {
            0: ValueError("no such pixel"),
            1: UserError("b.png is broken", "remove it"),
            2: SystemExit(3),
        }[index]


def test_a_sample_that_cannot_be_read_is_named_with_the_line():
    with pytest.raises(
        UserError, match="sample 0 of the train data cannot be read: ValueError: no such"
    ) as error:
        Reader(Broken(), "train", default_collate).sample((0, 0))
    assert "test_samples.py, line" in error.value.problem
    assert error.value.next_step == "mend the data set that the workload returns"


def test_a_sentence_of_the_data_set_s_own_stays():
    with pytest.raises(UserError, match=r"^b.png is broken; remove it$"):
        Reader(Broken(), "train", default_collate).sample((1, 0))


def test_an_exit_of_the_data_set_ends_no_run():
    with pytest.raises(UserError, match="SystemExit: 3"):
        Reader(Broken(), "train", default_collate).sample((2, 0))


@pytest.mark.parametrize(
    ("sample", "what"), [((1, 2, 3), "has 3 parts"), (torch.ones(3), "is of type Tensor")]
)
def test_what_is_no_pair_is_refused(sample, what):
    with pytest.raises(UserError, match=f"sample 0 of the train data {what}; let the data set give"):
        reader(sample).sample((0, 0))


def test_images_of_two_sizes_are_named_with_both_and_the_cure():
    pairs = [(torch.zeros(3, 8, 8), 0), (torch.zeros(3, 8, 8), 0), (torch.zeros(3, 9, 8), 1)]
    with pytest.raises(
        UserError, match="sample 2 of the train data has the size 3x9x8, sample 0 has 3x8x8"
    ) as error:
        reader(*pairs)([(0, 0), (1, 0), (2, 0)])
    assert "resize and crop them" in error.value.next_step


def test_targets_that_make_no_batch_are_named():
    pairs = [(torch.zeros(2), {"boxes": torch.zeros(1, 4)}), (torch.zeros(2), {"boxes": torch.zeros(3, 4)})]
    with pytest.raises(UserError, match="2 samples of the train data do not make a batch") as error:
        reader(*pairs)([(0, 0), (1, 0)])
    assert "collate=" in error.value.next_step


def test_a_digest_tells_values_shapes_types_and_order():
    images = torch.zeros(3, 2, 2, dtype=torch.uint8)
    same = digest([(images, 0), {"a": 1, "b": 2.5}])
    assert same == digest([(images.clone(), 0), {"b": 2.5, "a": 1}])
    others = [
        [(images + 1, 0), {"a": 1, "b": 2.5}],
        [(images, 1), {"a": 1, "b": 2.5}],
        [(images.view(3, 4), 0), {"a": 1, "b": 2.5}],
        [(images.bool(), 0), {"a": 1, "b": 2.5}],
        [(images, 0), {"a": 1, "b": 2.6}],
    ]
    assert len({same, *map(digest, others)}) == 6


class Targets:
    classes = ("a", "b")

    def __init__(self, targets):
        self.targets = targets

    def __len__(self):
        return 3


def test_labels_and_classes_are_taken_where_they_are_known():
    tensors = TensorDataset(torch.zeros(3, 2), torch.tensor([2, 0, 1]))
    assert labels_of(tensors) == [2, 0, 1]
    assert labels_of(Subset(tensors, [2, 0])) == [1, 2]
    for targets in ([0, 1, 1], torch.tensor([0, 1, 1]), np.array([0, 1, 1])):
        assert labels_of(Targets(targets)) == [0, 1, 1]
    for unknown in (None, [0, 1], [0.5, 1.0, 2.0], "abc"):
        assert labels_of(Targets(unknown)) is None
    assert classes_of(Subset(Targets(None), [0])) == ["a", "b"]
    assert classes_of(tensors) is None


def test_a_file_that_a_folder_of_torchvision_s_cannot_read_is_named(tmp_path):
    from torchvision.datasets import ImageFolder

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (32, 32)).save(tmp_path / name / "0.jpg")
    samples = torch.utils.data.Subset(ImageFolder(str(tmp_path)), [1, 0])
    content = (tmp_path / "b" / "0.jpg").read_bytes()
    for part in (b"", content[: len(content) // 2]):
        (tmp_path / "b" / "0.jpg").write_bytes(part)
        with pytest.raises(UserError, match=r"sample 0 of the train data \(.*b/0.jpg\) cannot be read"):
            Reader(samples, "train", default_collate).sample((0, 0))


def test_a_gray_image_of_16_bits_does_not_turn_white():
    levels = np.array([[0, 256, 65_535]], np.uint16)
    samples = [(Image.fromarray(levels), 0)]
    image, _ = Reader(samples, "train", default_collate).sample((0, 0))
    assert image[0].tolist() == [[0, 1, 255]]
