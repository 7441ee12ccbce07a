"""Whole-batch augmentation against crops, flips and rotations done image by image."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import rotate

from greenbench.tasks.classification_data import Augmentation, augment

seeds = st.integers(0, 2**31)


def images(count, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def every_crop(image, padding, flip):
    """Return all images that a random crop and flip can make of one."""
    padded = F.pad(image, [padding] * 4)
    height, width = image.shape[1:]
    crops = [
        padded[:, i : i + height, j : j + width]
        for i in range(2 * padding + 1)
        for j in range(2 * padding + 1)
    ]
    return crops + [crop.flip(-1) for crop in crops] if flip else crops


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2), st.booleans(), seeds)
def test_without_rotation_the_result_is_a_crop_or_its_mirror_image(height, width, padding, flip, seed):
    batch = images(3, height, width, seed)
    for image, ours in zip(
        batch, augment(batch, Augmentation(padding, flip, 0), generator(seed)), strict=True
    ):
        assert any(torch.equal(ours, crop) for crop in every_crop(image, padding, flip))


def test_all_crops_and_both_orientations_occur():
    image = images(1, 5, 6)
    made = augment(image.expand(400, -1, -1, -1), Augmentation(1, True, 0), generator(0))
    assert len({tuple(result.flatten().tolist()) for result in made}) == 18


def test_nothing_to_do_is_the_identity():
    batch = images(4, 7, 5)
    assert torch.equal(augment(batch, Augmentation(0, False, 0), generator(0)), batch)


@settings(deadline=None, max_examples=30)
@given(st.sampled_from([8, 16, 31]), st.sampled_from([8, 16, 33]), seeds)
def test_a_rotation_is_torchvision_s(height, width, seed):
    batch = images(1, height, width, seed)
    ours = augment(batch, Augmentation(0, False, 15), generator(seed))[0]
    draws = generator(seed)
    torch.randint(0, 1, (2, 1, 1, 1), generator=draws)
    torch.rand((1, 1, 1), generator=draws)
    degrees = float(torch.rand((1, 1, 1), generator=draws) * 2 - 1) * 15
    # Ours turns the way back, theirs the way there.
    theirs = rotate(batch[0], -degrees)
    mirrored = rotate(batch[0], degrees)
    agreement = max(float((ours == other).double().mean()) for other in (theirs, mirrored))
    # Pixels whose source lies midway between two may go to either.
    assert agreement > 0.97


def test_a_rotated_image_s_corners_are_zero():
    made = augment(images(64, 32, 32), Augmentation(0, False, 45), generator(1))
    assert (made[:, :, 0, 0] == 0).double().mean() > 0.8
    assert (made[:, :, 16, 16] > 0).all()


def test_one_seed_gives_one_batch():
    batch, settings_ = images(8, 16, 16), Augmentation(2, True, 15)
    first, again = (augment(batch, settings_, generator(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, augment(batch, settings_, generator(4)))


@pytest.mark.parametrize("settings_", [Augmentation(4, True, 15), Augmentation(4, True, 0)])
def test_the_batch_itself_is_left_alone(settings_):
    batch = images(4, 32, 32)
    before = batch.clone()
    made = augment(batch, settings_, generator(0))
    assert made.dtype == torch.uint8
    assert torch.equal(batch, before)
