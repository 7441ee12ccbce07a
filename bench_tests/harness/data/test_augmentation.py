"""Whole-batch augmentation of classification images against one image at a time, in torchvision and float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from greenbench.data.augmentation import Augmentation, augment

OFF = Augmentation(padding=0, flip=False, rotation_degrees=0)
EVERYTHING = Augmentation(padding=3, flip=True, rotation_degrees=30)

sizes = st.integers(1, 19)
augmentations = st.builds(
    Augmentation,
    padding=st.integers(0, 5),
    flip=st.booleans(),
    rotation_degrees=st.sampled_from([0.0, 15.0, 90.0]),
)
seeds = st.integers(0, 2**31)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def random_images(count, height, width, seed=0):
    # Values from 1, so that 0 says "outside".
    return torch.randint(1, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator(seed))


def draws(count, augmentation, seed):
    """Return shift, flip and angle in radians of each image: the draws of `augment`, in its order."""
    source = generator(seed)
    limit = augmentation.padding
    shift = torch.randint(-limit, limit + 1, (2, count), generator=source)
    flip = torch.rand(count, generator=source) < (0.5 if augmentation.flip else 0.0)
    angle = (torch.rand(count, generator=source) * 2 - 1) * math.radians(augmentation.rotation_degrees)
    return list(zip(shift.T.tolist(), flip.tolist(), angle.tolist(), strict=True))


def reference(image, shift, flip, angle, padding):
    """Crop, flip and rotate one image pixel by pixel; also return which pixels rounding decides."""
    _, height, width = image.shape
    padded = torch.nn.functional.pad(image, (padding,) * 4)
    top, left = padding + shift[0], padding + shift[1]
    view = padded[:, top : top + height, left : left + width]
    if flip:
        view = view.flip(-1)
    result, close = torch.zeros_like(image), torch.zeros(height, width, dtype=torch.bool)
    center_y, center_x = (height - 1) / 2, (width - 1) / 2
    for i in range(height):
        for j in range(width):
            y, x = i - center_y, j - center_x
            row = x * math.sin(angle) + y * math.cos(angle) + center_y
            column = x * math.cos(angle) - y * math.sin(angle) + center_x
            close[i, j] = any(abs(place % 1 - 0.5) < 1e-4 for place in (row, column))
            if 0 <= round(row) < height and 0 <= round(column) < width:
                result[:, i, j] = view[:, round(row), round(column)]
    return result, close


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, augmentations, seeds)
def test_it_equals_crop_flip_and_rotation_of_each_image_in_turn(height, width, augmentation, seed):
    images = random_images(3, height, width)
    results = augment(images, augmentation, generator(seed))
    for image, result, draw in zip(images, results, draws(3, augmentation, seed), strict=True):
        expected, close = reference(image, *draw, augmentation.padding)
        assert torch.equal(result[:, ~close], expected[:, ~close])


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (24, 40), (33, 17)])
def test_it_equals_torchvisions_crop_flip_and_rotation(size):
    images = random_images(16, *size)
    results = augment(images, EVERYTHING, generator(5))
    for image, result, (shift, flip, angle) in zip(images, results, draws(16, EVERYTHING, 5), strict=True):
        padding = EVERYTHING.padding
        expected = tv.crop(tv.pad(image, padding), padding + shift[0], padding + shift[1], *size)
        if flip:
            expected = tv.hflip(expected)
        expected = tv.rotate(expected, math.degrees(angle), InterpolationMode.NEAREST)
        # A place that falls between two pixels may be rounded the other way.
        assert (result != expected).any(dim=0).float().mean() < 0.01
        assert (result == 0).any(), "a rotated image has corners without pixels"


@settings(deadline=None, max_examples=20)
@given(sizes, sizes, seeds)
def test_nothing_changes_when_all_is_off(height, width, seed):
    images = random_images(2, height, width)
    assert torch.equal(augment(images, OFF, generator(seed)), images)


@settings(deadline=None, max_examples=40)
@given(sizes, sizes, augmentations, seeds)
def test_every_pixel_is_one_of_the_images_own_or_zero(height, width, augmentation, seed):
    images = random_images(2, height, width)
    results = augment(images, augmentation, generator(seed))
    assert results.shape == images.shape
    assert results.dtype == torch.uint8
    for image, result in zip(images, results, strict=True):
        colors = {(0, 0, 0), *map(tuple, image.flatten(1).T.tolist())}
        assert set(map(tuple, result.flatten(1).T.tolist())) <= colors


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_channels_move_as_they_would_alone_whatever_their_bytes_are_as_a_number(channels, flush):
    """Together they may be a float32 that is not a number, or one that is flushed to zero."""
    images = torch.randint(256, (64, channels, 8, 8), dtype=torch.uint8, generator=generator(0))
    images[0] = torch.tensor([1, 0, 128, 127, 9], dtype=torch.uint8)[:channels, None, None]
    try:
        torch.set_flush_denormal(flush)
        together = augment(images, EVERYTHING, generator(1))
    finally:
        torch.set_flush_denormal(False)
    alone = [augment(images[:, [channel]].float(), EVERYTHING, generator(1)) for channel in range(channels)]
    assert torch.equal(together, torch.cat(alone, 1).byte())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32])
def test_images_of_other_numbers_move_too(dtype):
    images = random_images(8, 12, 9)
    assert torch.equal(
        augment(images.to(dtype), EVERYTHING, generator(1)),
        augment(images, EVERYTHING, generator(1)).to(dtype),
    )


def test_a_flip_alone_mirrors_half_of_the_images():
    images = random_images(2000, 2, 3)
    results = augment(images, Augmentation(padding=0, flip=True, rotation_degrees=0), generator(0))
    flipped = (results == images.flip(-1)).flatten(1).all(dim=1)
    kept = (results == images).flatten(1).all(dim=1)
    assert (flipped | kept).all()
    assert flipped.sum() == pytest.approx(1000, abs=4 * math.sqrt(2000) / 2)


def test_every_shift_up_to_the_padding_comes_about_as_often():
    image = torch.zeros(1, 3, 9, 9, dtype=torch.uint8)
    image[..., 4, 4] = 255
    results = augment(image.expand(5000, -1, -1, -1), Augmentation(2, False, 0), generator(0))
    places = results[:, 0].sum(dim=0)
    counts = (results[:, 0] == 255).sum(dim=0)
    assert (places > 0).nonzero().aminmax(dim=0).min.tolist() == [2, 2]
    assert (places > 0).nonzero().aminmax(dim=0).max.tolist() == [6, 6]
    inner = counts[2:7, 2:7]
    assert inner.sum() == 5000
    assert ((inner - 200).abs() < 5 * math.sqrt(200)).all()


@pytest.mark.parametrize("augmentation", [EVERYTHING, Augmentation(4, True, 0), OFF])
def test_the_batch_itself_is_left_alone(augmentation):
    images = random_images(4, 16, 16)
    before = images.clone()
    augment(images, augmentation, generator(0))
    assert torch.equal(images, before)


def test_one_seed_gives_one_batch():
    images = random_images(8, 16, 16)
    first, again, other = (augment(images, EVERYTHING, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_draws_do_not_depend_on_the_images():
    black = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    one, other = generator(3), generator(3)
    augment(black, EVERYTHING, one)
    augment(random_images(4, 8, 8), EVERYTHING, other)
    assert torch.equal(one.get_state(), other.get_state())
