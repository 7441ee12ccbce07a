"""RandAugment's operations: torchvision's, bit for bit, on whole batches."""

import pytest
import torch
from torchvision.transforms.v2 import RandAugment

from greenbench.data.operations import OPERATIONS, apply, draw


def images(size, count=40):
    draws = torch.Generator().manual_seed(sum(size))
    pixels = torch.randint(256, (count, 3, *size), dtype=torch.uint8, generator=draws)
    pixels[::7] = 77  # without contrast
    pixels[1::7] //= 4
    return pixels


@pytest.mark.parametrize("size", [(8, 8), (10, 13), (32, 32), (2, 9)])
@pytest.mark.parametrize(("number", "strength"), [(2, 9), (1, 30), (3, 0)])
def test_a_batch_gets_what_torchvision_gives_image_by_image(size, number, strength):
    pixels = images(size)
    torch.manual_seed(1)
    drawn = draw(len(pixels), number, strength, size)
    mine, state = apply(pixels, drawn), torch.get_rng_state()
    torch.manual_seed(1)
    transform = RandAugment(number, strength)
    theirs = torch.stack([transform(image) for image in pixels])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "Identity"])
def test_each_operation_changes_images_alone_or_beside_others(name):
    operation, pixels = OPERATIONS[name], images((24, 20), 6)
    level, before = operation.level(15, (24, 20)), pixels.clone()
    other = ("Solarize", 0.5)
    mixed = apply(pixels, [[(name, level)], [other]] * 3)
    assert torch.equal(mixed[::2], apply(pixels[::2], [[(name, level)]] * 3))
    assert torch.equal(mixed[1::2], apply(pixels[1::2], [[other]] * 3))
    assert not torch.equal(mixed[::2], pixels[::2])
    assert torch.equal(pixels, before)
