"""Batches on their way to the device, images that are evaluated together, and the same batches from memory and files."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import default_collate

from greenbench.data import arriving as arriving_module
from greenbench.data.arriving import WAITING_IMAGES, arriving, one_ahead, sizes_together
from greenbench.data.augmentation import Augmentation
from greenbench.data.images import ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.masks import MaskData
from greenbench.data.metrics import Accuracy
from greenbench.data.normalization import Normalization
from greenbench.data.samples import Reader
from greenbench.data.streamed import StreamedData
from greenbench.data.views import View

CPU = torch.device("cpu")
IGNORED = 255


def generator(seed):
    return torch.Generator().manual_seed(seed)


def random_pair(number, size=(12, 10), classes=4):
    source = generator(number)
    image = torch.randint(256, (3, *size), dtype=torch.uint8, generator=source)
    return image, torch.randint(classes, size, dtype=torch.uint8, generator=source)


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_next_batch_is_on_its_way_before_one_is_used(count):
    log = []

    def start(number):
        log.append(f"start {number}")
        return number

    def arrive(number):
        log.append(f"arrive {number}")
        return number

    for number in one_ahead(range(count), start, arrive):
        log.append(f"use {number}")
    assert [entry for entry in log if entry.startswith("use")] == [f"use {number}" for number in range(count)]
    for number in range(count - 1):
        assert log.index(f"start {number + 1}") < log.index(f"arrive {number}")
    for number in range(count - 2):  # and not two ahead
        assert log.index(f"use {number}") < log.index(f"start {number + 2}")


class Logged(torch.Tensor):
    """A tensor that tells what is done with it."""

    log: list[str]

    def to(self, device, *, non_blocking):
        assert non_blocking, "the host would wait"
        self.log.append(f"copy to {device}")
        return self

    def record_stream(self, stream):
        self.log.append(f"kept for {stream.name}")


def test_a_gpu_copies_on_a_stream_of_its_own_and_waits_for_the_copy_alone(monkeypatch):
    log = []
    stream = SimpleNamespace(name="work", wait_event=lambda event: log.append(f"work waits for {event}"))
    copies = SimpleNamespace(record_event=lambda: "the copy")
    fake = SimpleNamespace(
        Stream=lambda device: copies, stream=lambda which: nullcontext(), current_stream=lambda device: stream
    )
    monkeypatch.setattr(arriving_module.torch, "cuda", fake)

    def logged():
        values = torch.zeros(2).as_subclass(Logged)
        values.log = log
        return values

    found = list(
        arriving([(logged(), {"mask": logged()}), (logged(), {"mask": logged()})], torch.device("cuda"))
    )
    assert len(found) == 2
    copied, used = ["copy to cuda"] * 2, ["work waits for the copy", "kept for work", "kept for work"]
    assert log == copied * 2 + used * 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_arrive_on_a_gpu_as_they_were():
    sent = [torch.randint(256, (64, 3, 32, 32), generator=generator(seed)).pin_memory() for seed in range(20)]
    for before, found in zip(sent, arriving(sent, torch.device("cuda")), strict=True):
        assert torch.equal(found.cpu(), before)


@pytest.mark.parametrize("pixels", [1, 400, 100_000])
def test_images_of_one_size_come_together_and_each_once(pixels):
    sizes = [(8, 12), (12, 8), (8, 12), (5, 5), (12, 8), (8, 12)] * 3
    given = [tuple(part[None] for part in random_pair(number, size)) for number, size in enumerate(sizes)]
    found = list(sizes_together(given, pixels))
    for images, masks in found:
        assert len(images) == len(masks)
        assert images.shape[-2:] == masks.shape[-2:]
        assert len(images) == 1 or masks.numel() <= pixels
    assert sum(len(images) for images, _ in found) == len(given)
    for size in set(sizes):
        for part in (0, 1):
            together = torch.cat([pair[part] for pair in found if pair[0].shape[-2:] == size])
            assert torch.equal(together, torch.cat([p[part] for p in given if p[0].shape[-2:] == size]))
    assert (len(found) == len(given)) is (pixels == 1)
    assert (len(found) == len(set(sizes))) is (pixels == 100_000)


def test_few_images_wait_for_others_of_their_size():
    read = 0

    def images():
        nonlocal read
        for number in range(4 * WAITING_IMAGES):
            read += 1
            yield torch.zeros(1, 3, 1, number + 1), torch.zeros(1, 1, number + 1)

    for count, _ in enumerate(sizes_together(images(), 10**9), start=1):
        assert read - count <= WAITING_IMAGES


class Files:
    """Images that are no tensor in memory."""

    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def masked(train, validation):
    view = View(base_size=12, scale_range=(0.7, 1.5), color_jitter=0.3, ignore_index=IGNORED)
    data = MaskData(
        train,
        validation,
        crop=(8, 8),
        view=view,
        num_classes=4,
        normalization=Normalization(),
        version="v",
        device=CPU,
    )
    data._loaders._workers = 0
    return data


def test_images_that_are_evaluated_together_score_as_one_at_a_time(monkeypatch):
    sizes = [(12, 10), (10, 12), (12, 10), (9, 9)] * 4
    pairs = [random_pair(number, size) for number, size in enumerate(sizes)]
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
    network.eval()
    found = []
    for logits in (1, 2**25):
        monkeypatch.setattr("greenbench.data.masks.EVALUATED_LOGITS", {"cpu": logits})
        data = masked(Files(pairs), Files(pairs))
        score = data.score()
        batches = list(data.evaluation_batches("validation"))
        assert len(batches) == (len(pairs) if logits == 1 else 3)
        with torch.inference_mode():
            for images, masks in batches:
                score.update(network(data.normalize(images)), masks)
        found.append((score.confusion.tolist(), score.compute()))
    assert found[0] == found[1]


def two_epochs(data, size_factor):
    source = generator(3)
    return [batch for _ in range(2) for batch in data.training_batches(4, size_factor, source)]


def same(some, others):
    assert len(some) == len(others)
    for pair, other in zip(some, others, strict=True):
        for values, others_values in zip(pair, other, strict=True):
            assert values.dtype == others_values.dtype
            assert torch.equal(values, others_values)


@pytest.mark.parametrize("size_factor", [1.0, 0.5])
def test_labeled_images_in_memory_and_read_one_by_one_give_the_same_batches(size_factor):
    images, labels = torch.stack([random_pair(n, (8, 8))[0] for n in range(11)]), torch.arange(11)
    augmentation = Augmentation(padding=2, flip=True, rotation_degrees=20)
    split = ResidentImages(images, labels)
    common = {"augmentation": augmentation, "normalization": Normalization(), "version": "v", "device": CPU}
    resident = LabelData(split, split, **common)
    samples = list(zip(images, labels.tolist(), strict=True))
    readers = {name: Reader(samples, name, default_collate) for name in ("train", "validation")}
    streamed = StreamedData(readers, score=Accuracy, evaluation_batch=256, **common)
    same(two_epochs(resident, size_factor), two_epochs(streamed, size_factor))
    for name in ("train", "validation"):
        same(list(resident.evaluation_batches(name)), list(streamed.evaluation_batches(name)))
    assert torch.equal(resident.normalize(images), streamed.normalize(images))


@pytest.mark.parametrize("size_factor", [1.0, 0.5])
def test_masked_images_in_memory_and_from_files_give_the_same_batches(size_factor):
    pairs = [random_pair(number) for number in range(9)]
    split = ResidentImages(*(torch.stack(part) for part in zip(*pairs, strict=True)))
    resident, streamed = masked(split, split), masked(Files(pairs), Files(pairs))
    same(two_epochs(resident, size_factor), two_epochs(streamed, size_factor))
    same(list(resident.evaluation_batches("validation")), list(streamed.evaluation_batches("validation")))


def test_each_sample_of_each_epoch_draws_anew():
    drawn = []

    class Drawing(Files):
        def __getitem__(self, index):
            drawn.append(float(torch.rand(())))
            return self.pairs[index]

    samples = Drawing([(random_pair(n)[0], n) for n in range(8)])
    readers = {name: Reader(samples, name, default_collate) for name in ("train", "validation")}
    data = StreamedData(
        readers,
        augmentation=None,
        normalization=Normalization(),
        score=Accuracy,
        evaluation_batch=4,
        version="v",
        device=CPU,
    )
    two_epochs(data, 1.0)
    assert len(set(drawn)) == len(drawn) == 16
