"""The data that come with the package: what they hold, that they never change, that splits are apart."""

import hashlib
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from greenbench.data.augmentation import Augmentation
from greenbench.data.scans import VALIDATION_EVERY, read_scans
from greenbench.data.views import View
from greenbench.study.catalog import discover
from greenbench.workloads import digits, scenes

IGNORE_INDEX = 255
SCANS = 1797
WORKLOADS = discover().workloads


def load(name):
    data = WORKLOADS[name].data(None, torch.device("cpu"))
    train, validation = data._splits["train"], data._splits["validation"]
    return SimpleNamespace(train=train, validation=validation, data=data, version=data.version)


@pytest.fixture(scope="module")
def scene_set():
    return WORKLOADS["scenes4"], load("scenes4")


def test_the_scans_are_the_digits_of_scikit_learn():
    images, labels = read_scans()
    assert images.shape == (SCANS, 8, 8)
    assert (images.min(), images.max()) == (0, 16)
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    theirs = datasets.load_digits()
    assert np.array_equal(images, theirs.images)
    assert np.array_equal(labels, theirs.target)


def test_the_attribution_is_shipped_beside_the_scans():
    text = resources.files("greenbench.data").joinpath("files/ATTRIBUTION.md").read_text()
    for part in ("Alpaydin", "UCI", "CC BY 4.0", "digits.npz"):
        assert part in text


def test_digits_have_the_sizes_and_classes_that_they_state():
    name, classes = "digits", 10
    splits = load(name)
    validation = -(-SCANS // VALIDATION_EVERY)
    for split, scans in ((splits.train, SCANS - validation), (splits.validation, validation)):
        assert len(split) == scans
        assert split.images.shape == (scans, 3, *WORKLOADS[name].image_size)
        assert split.images.dtype == torch.uint8
        assert split.targets.dtype == torch.int64
        assert split.targets.unique().tolist() == list(range(classes))
        assert split.targets.bincount().min() > 0.7 * len(split) / classes, "no class is rare"
    assert WORKLOADS[name].num_classes == classes


@pytest.mark.parametrize("name", ["digits", "scenes4"])
def test_no_image_is_in_both_splits_or_twice_in_one(name):
    splits = load(name)
    train = {image.numpy().tobytes() for image in splits.train.images}
    validation = {image.numpy().tobytes() for image in splits.validation.images}
    assert not train & validation
    assert (len(train), len(validation)) == (len(splits.train), len(splits.validation))


def test_scenes_of_one_split_use_scans_of_that_split_alone(monkeypatch):
    seen = {}
    compose = scenes._scene

    def watch(random, coverage, labels):
        seen.setdefault(id(coverage), coverage)
        return compose(random, coverage, labels)

    monkeypatch.setattr(scenes, "_scene", watch)
    monkeypatch.setattr(scenes, "TRAIN_SCENES", 2)
    monkeypatch.setattr(scenes, "VALIDATION_SCENES", 2)
    scenes._draw.cache_clear()
    load("scenes4")
    scenes._draw.cache_clear()
    train, validation = ({scan.tobytes() for scan in coverage} for coverage in seen.values())
    assert len(train) > 100
    assert len(validation) > 100
    assert not train & validation


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("digits", "edc489833efe"),
        ("scenes4", "3c4788f8c771"),
    ],
)
def test_pixels_and_labels_never_change(name, digest):
    """Results of different machines and versions are comparable only on the same pixels."""
    splits = load(name)
    parts = (splits.train.images, splits.train.targets, splits.validation.images, splits.validation.targets)
    content = b"".join(part.numpy().tobytes() for part in parts)
    assert hashlib.sha256(content).hexdigest().startswith(digest)


@pytest.mark.parametrize(
    ("name", "module", "setting", "value"),
    [
        ("digits", digits, "SIDE", 11),
        ("scenes4", scenes, "COLOR_SPREAD", 0.2),
    ],
)
def test_other_pixels_are_another_version(name, module, setting, value, monkeypatch):
    before = load(name).version
    monkeypatch.setattr(module, setting, value)
    scenes._draw.cache_clear()
    assert load(name).version != before
    scenes._draw.cache_clear()


def exact_enlargement(scans, side):
    """Interpolate bilinearly in whole numbers, corners not aligned, halves rounded up."""
    numerator = np.maximum((2 * np.arange(side) + 1) * 8 - side, 0)  # places in the scan, over 2 * side
    low, part = numerator // (2 * side), numerator % (2 * side)
    high = np.minimum(low + 1, 7)
    rows = scans[:, low] * (2 * side - part)[:, None] + scans[:, high] * part[:, None]
    whole = rows[:, :, low] * (2 * side - part) + rows[:, :, high] * part
    denominator = 16 * (2 * side) ** 2
    return (2 * 255 * whole + denominator) // (2 * denominator)


@pytest.mark.parametrize("side", [digits.SIDE, 12])
def test_digits_are_the_exact_enlargement_of_the_scans_on_every_machine(side, monkeypatch):
    monkeypatch.setattr(digits, "SIDE", side)
    scans, _ = read_scans()
    whole = scans.astype(np.int64)
    expected = exact_enlargement(whole, side)
    validation = np.arange(SCANS) % VALIDATION_EVERY == 0
    splits = load("digits")
    assert np.array_equal(splits.train.images[:, 0].numpy(), expected[~validation])
    assert np.array_equal(splits.validation.images[:, 2].numpy(), expected[validation])


def test_scenes_have_the_sizes_and_classes_that_they_state(scene_set):
    workload, splits = scene_set
    for split, count in ((splits.train, scenes.TRAIN_SCENES), (splits.validation, scenes.VALIDATION_SCENES)):
        assert split.images.shape == (count, 3, *workload.image_size)
        assert split.targets.shape == (count, *workload.image_size)
        assert split.targets.unique().tolist() == [*range(workload.num_classes), IGNORE_INDEX]


def test_every_scene_has_ignored_pixels_but_mostly_valid_ones(scene_set):
    _, splits = scene_set
    for split in (splits.train, splits.validation):
        ignored = (split.targets == IGNORE_INDEX).float().mean(dim=(1, 2))
        assert ignored.min() > 0
        assert ignored.max() < 0.3


def test_background_alone_is_a_poor_answer(scene_set):
    workload, splits = scene_set
    targets = splits.validation.targets
    background = (targets == 0).sum() / (targets != IGNORE_INDEX).sum()
    assert background / workload.num_classes < 0.25, "the mIoU of a network that sees background everywhere"


def test_digits_are_turned_a_little_and_scaled_to_minus_1_to_1():
    data = load("digits").data
    assert data._augmentation == Augmentation(padding=0, flip=False, rotation_degrees=12)
    pixels, _ = next(data.evaluation_batches("validation"))
    images = data.normalize(pixels)
    assert float(images.min()) == pytest.approx(-1)
    assert float(images.max()) == pytest.approx(1)


def test_scenes_are_flipped_and_normalized_to_about_0_and_1(scene_set):
    _, splits = scene_set
    assert splits.data._view == View(base_size=scenes.SIDE, ignore_index=IGNORE_INDEX)
    pixels, masks = next(splits.data.evaluation_batches("validation"))
    images = splits.data.normalize(pixels)
    expected = (splits.validation.images[: len(images)] / 255 - 0.4) / 0.25
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-5)
    assert torch.equal(masks, splits.validation.targets[: len(images)])
