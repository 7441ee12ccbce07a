"""Workloads of a user's own through the training loop: an image folder, a regression, tokens, and a detection."""

import copy
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import greenbench
from greenbench.execute.trainer import Trainer
from greenbench.spec.workload import Metric

CPU = torch.device("cpu")
ERROR = Metric("error", "Mean squared error", unit="", better="lower")
FOUND = Metric("found", "Objects found")


@greenbench.workload(metric="accuracy", epochs=2, batch_size=8)
def shades(root):
    """Dark and light images, with a narrow ResNet of torchvision's."""
    train, validation = greenbench.image_folders(root / "shades", size=32)
    block = torchvision.models.resnet.BasicBlock
    return train, validation, lambda: torchvision.models.ResNet(block, [1, 1, 1, 1], num_classes=2)


class SquaredError:
    def __init__(self):
        self.errors = []

    def update(self, outputs, targets):
        self.errors.append((outputs[:, 0] - targets).square())

    def compute(self):
        return torch.cat(self.errors).mean()


class Prices(Dataset):
    """Rows of a table with a price, as NumPy and Python have them, and noise on the rows."""

    def __init__(self, count):
        rows = np.random.default_rng(count).normal(size=(count, 4))
        self.rows, self.prices = rows, rows @ np.array([1.0, -2.0, 0.5, 0.0])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index] + 0.01 * np.random.normal(size=4), float(self.prices[index])


@greenbench.workload(
    metric=ERROR,
    task="regression",
    score=SquaredError,
    loss=lambda: lambda outputs, prices: nn.functional.mse_loss(outputs[:, 0], prices),
    epochs=4,
    batch_size=8,
)
def prices():
    """Prices from four numbers."""
    return Prices(49), Prices(16), lambda: nn.Linear(4, 1)


class TokenAccuracy:
    def __init__(self):
        self.right = self.all = 0

    def update(self, outputs, targets):
        self.right += int((outputs.argmax(1) == targets).sum())
        self.all += targets.numel()

    def compute(self):
        return {"tokens": self.right / self.all, "count": self.all}


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 3)

    def forward(self, tokens):
        return self.table(tokens).transpose(1, 2)


@greenbench.workload(
    metric=Metric("tokens", "Token accuracy"),
    task="tagging",
    score=TokenAccuracy,
    loss=nn.CrossEntropyLoss,
    optimizer=lambda network, rate: torch.optim.AdamW(network.parameters(), rate),
    learning_rate=0.1,
    epochs=4,
    batch_size=8,
)
def tags():
    """A tag for each token: its rest by three."""
    tokens = torch.randint(10, (40, 5), generator=torch.Generator().manual_seed(0))
    data = TensorDataset(tokens, tokens % 3)
    return data, data, Tagger


class Scenes(Dataset):
    """Images of unequal sizes, each with another number of boxes."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        boxes = torch.tensor([[float(number), 0, number + 2, 2] for number in range(1 + index % 3)])
        image = np.full((8 + index, 9, 3), 40 * (index % 3), np.uint8)
        return Image.fromarray(image), {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64)}


class Detector(nn.Module):
    """Takes a list of images and returns a dictionary for each, as torchvision's detectors do."""

    def __init__(self):
        super().__init__()
        self.count = nn.Linear(3, 1)

    def forward(self, images):
        return [{"count": self.count(image.mean((1, 2)))} for image in images]


def counting_loss(outputs, targets):
    return torch.stack(
        [(o["count"] - len(t["boxes"])).square().sum() for o, t in zip(outputs, targets, strict=True)]
    ).mean()


class Found:
    def __init__(self):
        self.hits = []

    def update(self, outputs, targets):
        self.hits += [
            round(float(o["count"])) == len(t["labels"]) for o, t in zip(outputs, targets, strict=True)
        ]

    def compute(self):
        return {"found": sum(self.hits) / len(self.hits)}


@greenbench.workload(
    metric=FOUND,
    task="detection",
    score=Found,
    loss=lambda: counting_loss,
    collate=lambda pairs: tuple(map(list, zip(*pairs, strict=True))),
    epochs=3,
    batch_size=4,
)
def boxes():
    """Boxes to be counted."""
    return Scenes(9), Scenes(6), Detector


@pytest.fixture
def root(tmp_path):
    random = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        folder = tmp_path / "shades" / name
        folder.mkdir(parents=True)
        for number in range(10):
            size = random.integers(33, 60, 2)
            pixels = random.integers(0, 90, (*size, 3)) + 160 * label
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path


WORKLOADS = {workload.name: workload for workload in (shades, prices, tags, boxes)}


@pytest.fixture(params=WORKLOADS)
def workload(request, root):
    return WORKLOADS[request.param].read(root)


def trainer(workload, root, seed=0):
    return Trainer(workload.recipe("smoke", root), workload.data(root, CPU), seed=seed, device=CPU)


def test_it_trains_to_a_score(workload, root):
    run = trainer(workload, root)
    before = run.evaluate("validation")[workload.metric.name]
    losses = list(run.remaining_steps())
    after = run.evaluate("validation")
    assert len(losses) == run.steps
    assert all(loss.isfinite() for loss in losses)
    assert all(isinstance(value, float) for value in after.values())
    if workload is not WORKLOADS["boxes"]:
        first, last = (torch.stack(part).mean() for part in (losses[:2], losses[-2:]))
        assert last < first
    assert workload.metric.better == "higher" or after["error"] < before


def test_it_is_saved_and_resumed_in_the_middle_of_an_epoch(workload, root):
    first = trainer(workload, root)
    left = first.remaining_steps()
    list(islice(left, first.steps_per_epoch + 1))
    state = copy.deepcopy(first.state_dict())
    resumed = trainer(workload, root, seed=7)
    resumed.load_state_dict(state)
    assert [loss.item() for loss in left] == [loss.item() for loss in resumed.remaining_steps()]


def test_its_network_takes_the_example_of_its_data(workload, root):
    inputs = workload.example(3, workload.image_size, torch.Generator(), root)
    outputs = workload.recipe("smoke", root).network().eval()(inputs)
    assert len(outputs) == 3


def test_classes_and_sizes_are_those_of_the_data(root):
    read = {name: workload.read(root) for name, workload in WORKLOADS.items()}
    assert {name: (w.num_classes, w.image_size) for name, w in read.items()} == {
        "shades": (2, (32, 32)),
        "prices": (None, None),
        "tags": (None, None),
        "boxes": (None, None),
    }


def test_an_image_folder_is_learned_at_lower_resolution_too(root):
    recipe = replace(shades.read(root).recipe("smoke", root), size_factor=lambda epoch, epochs: 0.5)
    seen = []
    run = Trainer(recipe, shades.data(root, CPU), seed=0, device=CPU)
    run.network.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[-2:])))
    next(run.epoch_steps())
    assert seen == [(16, 16)]
