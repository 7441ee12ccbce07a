"""Random views of segmentation images: the mask always shows what the image shows."""

import multiprocessing
import os
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional

from greenbench.data import loading
from greenbench.data.images import MaskFiles, ResidentImages
from greenbench.data.masks import MaskData
from greenbench.data.normalization import Normalization
from greenbench.data.views import View, random_view

IGNORE_INDEX = 255
SCALED = View(base_size=48, scale_range=(0.5, 2.0), ignore_index=IGNORE_INDEX)
PLAIN = replace(SCALED, scale_range=(1.0, 1.0))
MEAN, STD = (0.4, 0.4, 0.4), (0.25, 0.25, 0.25)

SOFT = 5
"""Pixels on each side of an edge that interpolation may soften: images are enlarged up to 4 times."""

sides = st.integers(8, 90)
crops = st.tuples(st.integers(8, 70), st.integers(8, 70))
seeds = st.integers(0, 2**62 - 1)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def halves(height, width):
    """Return an image that is white where its mask is 2 and black where it is 1: left and right."""
    mask = torch.ones(height, width, dtype=torch.uint8)
    mask[:, width // 2 :] = 2
    return ((mask - 1) * 255).expand(3, -1, -1), mask


def squares(height, width, side=8):
    """Return an image whose brightness says the class of its mask, in a chessboard of four classes."""
    rows, columns = torch.arange(height) // side, torch.arange(width) // side
    mask = (2 * (rows[:, None] % 2) + columns[None, :] % 2).to(torch.uint8)
    return (mask * 60 + 40).expand(3, -1, -1), mask


@settings(deadline=None, max_examples=80)
@given(sides, sides, crops, st.sampled_from([0.25, 0.5, 1.0]), seeds)
def test_a_view_always_has_the_size_of_the_crop(height, width, crop, size_factor, seed):
    image, mask = squares(height, width)
    view, labels = random_view(image, mask, crop, SCALED, size_factor, seed)
    assert view.shape == (3, *crop)
    assert labels.shape == crop
    assert view.dtype == labels.dtype == torch.uint8


@settings(deadline=None, max_examples=80)
@given(sides, sides, crops, seeds)
def test_it_is_padded_only_where_the_rescaled_image_ends(height, width, crop, seed):
    image, mask = squares(height, width)
    view, labels = random_view(image, mask, crop, SCALED, 1.0, seed)
    low, high = SCALED.scale_range
    scale = low + (high - low) * torch.rand(7, generator=generator(seed))[0].item()
    ratio = SCALED.base_size * scale / min(height, width)
    covered = [min(length, round(side * ratio)) for side, length in zip((height, width), crop, strict=True)]
    padding = labels == IGNORE_INDEX
    assert not padding[: covered[0], : covered[1]].any()
    assert padding[covered[0] :].all()
    assert padding[:, covered[1] :].all()
    assert (view[:, padding] == 0).all()


@settings(deadline=None, max_examples=80)
@given(st.integers(24, 90), st.integers(24, 90), st.tuples(st.integers(24, 70), st.integers(24, 70)), seeds)
def test_image_and_mask_stay_aligned(height, width, crop, seed):
    image, mask = squares(height, width, side=max(height, width) // 3)
    view, labels = random_view(image, mask, crop, SCALED, 1.0, seed)
    valid = labels != IGNORE_INDEX
    expected = labels.int() * 60 + 40
    # Away from the edges of squares and of the view, which interpolation softens, brightness says the class.
    same = [valid]
    for axis in (0, 1):
        for step in range(-SOFT, SOFT + 1):
            same.append(labels == labels.roll(step, axis))
    inside = torch.stack(same).all(dim=0)[SOFT:-SOFT, SOFT:-SOFT]
    difference = (view[0].int() - expected)[SOFT:-SOFT, SOFT:-SOFT]
    assert (difference[inside].abs() <= 2).all()


@pytest.mark.parametrize("side", [61, 96, 200])
def test_masks_are_not_shifted_against_images(side):
    """Where black turns to white the mask turns within half a pixel, on average over many views."""
    image, mask = halves(side, side)
    offsets = []
    for seed in range(60):
        view, labels = random_view(image, mask, (64, 64), SCALED, 1.0, seed)
        white, second = view[0, 0].float() / 255, (labels[0] == 2).float()
        valid = labels[0] != IGNORE_INDEX
        if len(labels[0][valid].unique()) == 2:
            offsets.append((white[valid].sum() - second[valid].sum()).item())
    assert len(offsets) > 15
    assert abs(sum(offsets) / len(offsets)) < 0.15
    assert max(map(abs, offsets)) <= 0.75


def test_half_of_the_views_are_flipped_both_image_and_mask():
    image, mask = halves(48, 48)
    flipped = 0
    for seed in range(400):
        view, labels = random_view(image, mask, (48, 48), PLAIN, 1.0, seed)
        assert torch.equal(view[0] == 255, labels == 2)
        flipped += bool(labels[0, 0] == 2)
    assert flipped == pytest.approx(200, abs=40)


def test_a_view_of_an_image_at_its_own_size_is_that_image_or_its_mirror_image():
    image = torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8, generator=generator(0))
    mask = torch.randint(0, 4, (48, 48), dtype=torch.uint8, generator=generator(1))
    seen = set()
    for seed in range(20):
        view, labels = random_view(image, mask, (48, 48), PLAIN, 1.0, seed)
        mirror = not torch.equal(view, image)
        assert torch.equal(view.flip(-1) if mirror else view, image)
        assert torch.equal(labels.flip(-1) if mirror else labels, mask)
        seen.add(mirror)
    assert seen == {True, False}


def test_scales_spread_over_their_whole_range():
    image, mask = squares(100, 100, side=1000)  # one class: padding alone tells the scale
    sides = []
    for seed in range(200):
        _, labels = random_view(image, mask, (128, 128), SCALED, 1.0, seed)
        sides.append(int((labels[0] != IGNORE_INDEX).sum()))
    assert min(sides) < 0.55 * SCALED.base_size
    assert max(sides) > 1.95 * SCALED.base_size
    assert sum(sides) / len(sides) == pytest.approx(1.25 * SCALED.base_size, rel=0.05)


def test_a_size_factor_scales_image_and_crop_together():
    image, mask = halves(96, 96)
    for seed in range(20):
        _, whole = random_view(image, mask, (48, 48), PLAIN, 1.0, seed)
        _, half = random_view(image, mask, (24, 24), PLAIN, 0.5, seed)
        assert abs((whole == 2).float().mean() - (half == 2).float().mean()) < 0.05


def test_color_jitter_changes_colors_and_no_label():
    image = torch.randint(60, 200, (3, 48, 48), dtype=torch.uint8, generator=generator(0))
    mask = torch.ones(48, 48, dtype=torch.uint8)
    jittered = replace(PLAIN, color_jitter=0.3)
    brightness = []
    for seed in range(40):
        plain, _ = random_view(image, mask, (48, 48), PLAIN, 1.0, seed)
        view, labels = random_view(image, mask, (48, 48), jittered, 1.0, seed)
        assert (labels == 1).all()
        assert not torch.equal(view, plain)
        brightness.append((view.float().mean() / plain.float().mean()).item())
    assert min(brightness) >= 0.69
    assert max(brightness) <= 1.31
    assert max(brightness) - min(brightness) > 0.3


@pytest.mark.parametrize("seed", range(20))
def test_color_jitter_is_torchvision_s_bit_for_bit(seed):
    image = torch.randint(256, (3, 48, 70), dtype=torch.uint8, generator=generator(seed))
    mask = torch.ones(48, 70, dtype=torch.uint8)
    plain, _ = random_view(image, mask, (48, 48), PLAIN, 1.0, seed)
    view, _ = random_view(image, mask, (48, 48), replace(PLAIN, color_jitter=0.5), 1.0, seed)
    drawn = torch.rand(7, generator=generator(seed)).tolist()[4:]
    brightness, contrast, saturation = (0.5 + draw for draw in drawn)
    expected = functional.adjust_contrast(functional.adjust_brightness(plain, brightness), contrast)
    assert torch.equal(view, functional.adjust_saturation(expected, saturation))


def test_padding_carries_the_ignore_label_of_the_view():
    image, mask = squares(20, 20)
    _, labels = random_view(image, mask, (64, 64), replace(PLAIN, ignore_index=200), 1.0, 0)
    assert labels[-1, -1] == 200


def masked(train, validation):
    return MaskData(
        train,
        validation,
        crop=(64, 64),
        view=View(base_size=64, ignore_index=IGNORE_INDEX),
        num_classes=4,
        normalization=Normalization(MEAN, STD),
        version="v",
        device=torch.device("cpu"),
    )


@pytest.fixture
def splits():
    """Return seven scenes for training and three for validation."""
    images = torch.randint(0, 256, (10, 3, 64, 64), dtype=torch.uint8, generator=generator(0))
    masks = torch.randint(0, 4, (10, 64, 64), dtype=torch.uint8, generator=generator(1))
    return ResidentImages(images[:7], masks[:7]), ResidentImages(images[7:], masks[7:])


@pytest.fixture
def data(splits):
    return masked(*splits)


def test_batches_are_whole(data):
    batches = list(data.training_batches(3, 1.0, generator(0)))
    assert len(batches) == data.steps_per_epoch(3) == 2
    for images, masks in batches:
        assert images.shape == (3, 3, 64, 64)
        assert masks.shape == (3, 64, 64)
        assert images.dtype == torch.uint8
        assert masks.dtype == torch.int64


def test_fewer_images_than_a_batch_make_one_smaller_batch(data):
    batches = list(data.training_batches(16, 1.0, generator(0)))
    assert [len(images) for images, _ in batches] == [7]
    assert data.steps_per_epoch(16) == 1


def test_an_epoch_is_a_new_order_of_new_views(data):
    source = generator(0)
    first = torch.cat([masks for _, masks in data.training_batches(7, 1.0, source)])
    second = torch.cat([masks for _, masks in data.training_batches(7, 1.0, source)])
    again = torch.cat([masks for _, masks in data.training_batches(7, 1.0, generator(0))])
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_worker_processes_change_no_pixel(data, monkeypatch):
    alone = list(data.training_batches(2, 1.0, generator(0)))
    monkeypatch.setattr(data._loaders, "_workers", 2)
    shared = list(data.training_batches(2, 1.0, generator(0)))
    for (images, masks), (their_images, their_masks) in zip(alone, shared, strict=True):
        assert torch.equal(images, their_images)
        assert torch.equal(masks, their_masks)


class Parents:
    """Images whose masks say whether the process that reads them is a fork of this one: 1, else 0."""

    def __init__(self):
        self._here = os.getpid()

    def __len__(self):
        return 2

    def __getitem__(self, index):
        forked = os.getppid() == self._here
        return torch.zeros(3, 64, 64, dtype=torch.uint8), torch.full((64, 64), int(forked), dtype=torch.uint8)


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="needs a fork server")
def test_worker_processes_are_no_forks_of_the_one_with_the_meter_and_the_gpu(monkeypatch):
    data = masked(Parents(), Parents())
    monkeypatch.setattr(data._loaders, "_workers", 1)
    (_, trained), *_ = data.training_batches(2, 1.0, generator(0))
    (_, evaluated), *_ = data.evaluation_batches("validation")
    assert not trained.any()
    assert not evaluated.any()


def test_smaller_images_for_a_size_factor(data):
    images, masks = next(data.training_batches(2, 0.5, generator(0)))
    assert images.shape[2:] == masks.shape[1:] == (32, 32)


def test_evaluation_shows_every_validation_image_once_as_it_is(data, splits):
    _, validation = splits
    ((images, masks),) = data.evaluation_batches("validation")
    assert torch.equal(masks, validation.targets)
    assert torch.equal(images, validation.images)


def test_bytes_become_inputs_by_the_normalization(data, splits):
    _, validation = splits
    expected = (validation.images / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    assert torch.allclose(data.normalize(validation.images), expected, atol=1e-5)


def test_batches_draw_nothing_from_torchs_own_generator(data, monkeypatch):
    """A run that is resumed reads its epoch again: techniques must not get other draws from that."""
    for workers in (0, 1):
        monkeypatch.setattr(data._loaders, "_workers", workers)
        before = torch.get_rng_state()
        list(data.training_batches(2, 1.0, generator(0)))
        list(data.evaluation_batches("validation"))
        assert torch.equal(torch.get_rng_state(), before)


def test_no_more_workers_than_cpus_that_may_be_used(splits, monkeypatch):
    """More make the loader warn, and a warning would fail the study."""
    monkeypatch.setattr(loading.os, "sched_getaffinity", lambda _: {0, 5, 6}, raising=False)
    assert masked(MaskFiles([]), MaskFiles([]))._loaders._workers == 3
    assert masked(*splits)._loaders._workers == 0
