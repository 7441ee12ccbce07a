"""The readers on the real data below $GREENBENCH_DATA, where they are there; skipped, saying why, elsewhere."""

import os
from pathlib import Path

import pytest
import torch

from greenbench.spec.workload import DATA_ENVIRONMENT_VARIABLE
from greenbench.study.catalog import discover

IGNORE_INDEX = 255
SEGMENTATION = pytest.mark.parametrize("name", ["cityscapes", "coco_stuff", "camvid"])


def load(name):
    """Return a workload, its data, and their two splits."""
    root = os.environ.get(DATA_ENVIRONMENT_VARIABLE)
    workload = discover().workloads[name]
    if reason := workload.missing(Path(root) if root else None):
        pytest.skip(reason)
    data = workload.data(Path(root), torch.device("cpu"))
    return workload, data, data._splits["train"], data._splits["validation"]


def test_cifar100_is_complete():
    _, _, train, validation = load("cifar100")
    assert (len(train), len(validation)) == (50_000, 10_000)
    assert train.targets.bincount().tolist() == [500] * 100
    assert validation.targets.bincount().tolist() == [100] * 100


def test_the_normalization_of_cifar100_is_that_of_its_images():
    _, data, train, _ = load("cifar100")
    parts = [data.normalize(images) for images in train.images.split(5000)]
    mean, square = (
        torch.stack([(part**power).mean(dim=(0, 2, 3)) for part in parts]).mean(dim=0) for power in (1, 2)
    )
    assert torch.allclose(mean, torch.zeros(3), atol=2e-3)
    assert torch.allclose(square, torch.ones(3), atol=0.08)


@pytest.mark.slow
def test_tiny_imagenet_holds_all_its_classes():
    workload, _, train, validation = load("tiny_imagenet")
    assert train.images.shape[1:] == (3, *workload.image_size)
    assert train.targets.unique().tolist() == list(range(200))
    assert len(validation.targets.unique()) == 200


def test_camvid_is_complete():
    _, _, train, validation = load("camvid")
    assert (len(train), len(validation)) == (367, 101)


@SEGMENTATION
def test_masks_hold_classes_and_the_ignore_label_alone(name):
    workload, _, *splits = load(name)
    for split in splits:
        for index in range(min(4, len(split))):
            image, mask = split[index]
            labels = mask.unique()
            assert image.shape == (3, *mask.shape)
            assert ((labels < workload.num_classes) | (labels == IGNORE_INDEX)).all()
            assert (mask < workload.num_classes).float().mean() > 0.5, "most pixels have a class"


@pytest.mark.slow
@SEGMENTATION
def test_files_become_batches_in_worker_processes(name):
    workload, data, _, validation = load(name)
    images, masks = next(data.training_batches(2, 0.25, torch.Generator().manual_seed(0)))
    size = tuple(side // 4 for side in workload.image_size)
    assert images.shape == (2, 3, *size)
    assert masks.shape == (2, *size)
    image, mask = next(data.evaluation_batches("validation"))
    assert image.shape[2:] == mask.shape[1:] == validation[0][1].shape
    network = workload.recipe("short").network().eval()
    with torch.inference_mode():
        logits = network(data.normalize(image[..., :150, :201]))
    assert logits.shape == (1, workload.num_classes, 150, 201)
