"""The readers on the real data below $GREENBENCH_DATA, where they are there; skipped, saying why, elsewhere."""

import os
from pathlib import Path

import pytest
import torch

from greenbench.datasets import DATA_ENVIRONMENT_VARIABLE, IGNORE_INDEX, discover
from greenbench.protocol import PROTOCOLS
from greenbench.tasks import baseline_recipe, open_data

CPU = torch.device("cpu")


def load(name):
    root = os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    dataset = discover()[name]
    if reason := dataset.missing(Path(root) if root else None):
        pytest.skip(reason)
    return dataset, dataset.load(Path(root)), Path(root)


def test_cifar100_is_complete():
    _, splits, _ = load("cifar100")
    assert (len(splits.train), len(splits.heldout)) == (50_000, 10_000)
    assert splits.train.targets.bincount().tolist() == [500] * 100
    assert splits.heldout.targets.bincount().tolist() == [100] * 100


def test_the_normalization_of_cifar100_is_that_of_its_images():
    dataset, splits, _ = load("cifar100")
    pixels = splits.train.images.float() / 255
    assert torch.allclose(pixels.mean(dim=(0, 2, 3)), torch.tensor(dataset.mean), atol=5e-4)
    assert torch.allclose(pixels.std(dim=(0, 2, 3)), torch.tensor(dataset.std), atol=1e-2)


@pytest.mark.slow
def test_tiny_imagenet_holds_all_its_classes():
    dataset, splits, _ = load("tiny_imagenet")
    assert splits.train.images.shape[1:] == (3, *dataset.image_size)
    assert splits.train.targets.unique().tolist() == list(range(200))
    assert len(splits.heldout.targets.unique()) == 200


@pytest.mark.parametrize("name", ["cityscapes", "coco_stuff"])
def test_masks_hold_classes_and_the_ignore_label_alone(name):
    dataset, splits, _ = load(name)
    for split in (splits.train, splits.heldout):
        for index in range(min(4, len(split))):
            image, mask = split[index]
            labels = mask.unique()
            assert image.shape == (3, *mask.shape)
            assert ((labels < dataset.classes) | (labels == IGNORE_INDEX)).all()
            assert (mask < dataset.classes).float().mean() > 0.5, "most pixels have a class"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cityscapes", "coco_stuff"])
def test_files_become_batches_in_worker_processes(name):
    dataset, splits, root = load(name)
    data = open_data(dataset, root, CPU)
    images, masks = next(data.training_batches(2, 0.25, torch.Generator().manual_seed(0)))
    side = dataset.image_size[0] // 4
    assert images.shape == (2, 3, side, side)
    assert masks.shape == (2, side, side)
    image, mask = next(data.evaluation_batches("heldout"))
    assert image.shape[2:] == mask.shape[1:] == splits.heldout[0][1].shape
    network = baseline_recipe(dataset, PROTOCOLS["short"]).network().eval()
    with torch.inference_mode():
        logits = network(image[..., :200, :301])
    assert logits.shape == (1, dataset.classes, 200, 301)
