"""Batches on their way: the same from memory and read one by one, put together by size, and copied beside the work."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import TensorDataset, default_collate

from bench_tests.made_data import OneByOne
from greenbench.data import masks as masks_module
from greenbench.data import transfer
from greenbench.data.augmentation import Augmentation
from greenbench.data.images import ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.masks import MaskData, by_size
from greenbench.data.metrics import Accuracy
from greenbench.data.normalization import Normalization
from greenbench.data.samples import Reader
from greenbench.data.streamed import StreamedData
from greenbench.data.transfer import Sender
from greenbench.data.views import View

CPU = torch.device("cpu")
COMMON = {"normalization": Normalization(), "version": "v", "device": CPU}


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b)
        for first, second in zip(one, other, strict=True)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("size_factor", [1.0, 0.5])
@pytest.mark.parametrize("batch_size", [4, 5])
def test_images_in_memory_and_read_one_by_one_give_the_same_batches(size_factor, batch_size):
    """Of several epochs, whose draws come from one generator, and in evaluation."""
    augmentation = Augmentation(padding=2, flip=True, rotation_degrees=10)
    images, labels = torch.randint(256, (11, 3, 8, 8), dtype=torch.uint8, generator=draws()), torch.arange(11)
    split = ResidentImages(images, labels)
    resident = LabelData(split, split, augmentation=augmentation, **COMMON)
    samples = TensorDataset(images, labels)
    readers = {name: Reader(samples, name, default_collate) for name in ("train", "validation")}
    streamed = StreamedData(
        readers, augmentation=augmentation, score=Accuracy, evaluation_batch=256, **COMMON
    )
    generators = draws(), draws()
    for _ in range(3):
        epochs = [
            list(data.training_batches(batch_size, size_factor, generator))
            for data, generator in zip((resident, streamed), generators, strict=True)
        ]
        assert len(epochs[0]) == resident.steps_per_epoch(batch_size) == streamed.steps_per_epoch(batch_size)
        assert same(*epochs)
    assert same(*(list(data.evaluation_batches("validation")) for data in (resident, streamed)))
    other = list(streamed.training_batches(batch_size, size_factor, draws(1)))
    assert not same(epochs[0], other)


def mask_data(images, **options):
    view = View(base_size=9, scale_range=(0.5, 1.5), color_jitter=0.3)
    return MaskData(images, images, crop=(8, 8), view=view, num_classes=3, **{**COMMON, **options})


def test_masks_in_memory_and_read_by_workers_give_the_same_batches(monkeypatch):
    monkeypatch.setattr(masks_module, "usable_workers", lambda: 2)
    images = torch.randint(256, (6, 3, 10, 12), dtype=torch.uint8, generator=draws())
    masks = torch.randint(3, (6, 10, 12), dtype=torch.uint8, generator=draws(1))
    both = mask_data(ResidentImages(images, masks)), mask_data(OneByOne(images, masks))
    generators = draws(), draws()
    for _ in range(2):
        assert same(*(list(d.training_batches(2, 1.0, g)) for d, g in zip(both, generators, strict=True)))
    evaluated = [list(data.evaluation_batches("validation")) for data in both]
    assert [len(batches) for batches in evaluated] == [1, 6]
    assert same(
        [[torch.cat(parts) for parts in zip(*batches, strict=True)] for batches in evaluated],
        evaluated[0] * 2,
    )


def sized(sizes):
    return [
        (torch.full((1, 3, *size), float(number)), torch.full((1, *size), number))
        for number, size in enumerate(sizes)
    ]


SIZES = st.lists(st.sampled_from([(2, 3), (3, 2), (4, 4), (1, 1)]), max_size=30)


@given(SIZES, st.integers(0, 40), st.integers(1, 10))
def test_images_of_one_size_are_put_together(sizes, pixels, most_waiting):
    read = 0

    def batches():
        nonlocal read
        for batch in sized(sizes):
            read += 1
            yield batch

    given_out = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masks_module, "WAITING_IMAGES", most_waiting)
        for images, masks in by_size(batches(), pixels):
            assert images.shape == (len(masks), 3, *masks.shape[1:])
            assert len(masks) == 1 or masks.numel() <= pixels
            given_out += masks[:, 0, 0].tolist()
            assert images[:, 0, 0, 0].tolist() == masks[:, 0, 0].tolist()
            assert read - len(given_out) < most_waiting
    assert sorted(given_out) == list(range(len(sizes)))


def test_one_size_makes_full_batches_in_their_order():
    batches = list(by_size(sized([(2, 3)] * 7), 18))
    assert [masks[:, 0, 0].tolist() for _, masks in batches] == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_gpu_copies_on_a_stream_of_its_own_that_the_work_waits_for(monkeypatch):
    """With stand-ins for CUDA: which stream each thing is queued on, and in which order."""
    told, on = [], ["work"]

    @contextmanager
    def stream(other):
        on.append(other.name)
        yield
        on.pop()

    work = SimpleNamespace(name="work", wait_stream=lambda other: told.append(f"work waits for {other.name}"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: SimpleNamespace(name="copies"))
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: work)
    monkeypatch.setattr(
        torch.Tensor,
        "record_stream",
        lambda values, used: told.append(f"{values.item()} is used by {used.name}"),
    )

    def send(values, device):
        told.append(f"{values.item()} is copied on {on[-1]}")
        return values

    monkeypatch.setattr(transfer, "send", send)
    sender = Sender(torch.device("cuda"))
    assert sender({"a": torch.tensor(1), "b": [torch.tensor(2), "text"]})["b"][1] == "text"
    assert told == [
        "1 is copied on copies",
        "2 is copied on copies",
        "work waits for copies",
        "1 is used by work",
        "2 is used by work",
    ]
