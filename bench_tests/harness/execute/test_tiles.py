"""Evaluation by tiles: whole images from networks that work at one size alone."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from bench_tests.harness.execute.small_run import CPU, HALF, generator
from greenbench.data.images import ResidentImages
from greenbench.data.masks import MaskData
from greenbench.data.views import View
from greenbench.errors import NotApplicable, UserError
from greenbench.execute.tiles import tiled
from greenbench.execute.trainer import Trainer
from greenbench.networks.bisenet import BiSeNet
from greenbench.techniques.ge_theta import ge_theta

TILE = (4, 6)


def images(height, width):
    return torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=generator(0))


class Pixelwise:
    """Logits of each pixel by itself; notes what it was given."""

    def __init__(self):
        self.given = []

    def __call__(self, tile):
        self.given.append(tile)
        return tile.float() * 2 + 1


@pytest.mark.parametrize(
    ("size", "tiles"),
    [((4, 6), 1), ((8, 12), 4), ((5, 6), 2), ((9, 13), 9), ((3, 6), 1), ((2, 2), 1), ((3, 13), 3)],
)
def test_logits_of_pixels_are_those_of_the_whole_image(size, tiles):
    whole, predict = images(*size), Pixelwise()
    assert torch.allclose(tiled(predict, whole, TILE), whole.float() * 2 + 1)
    assert len(predict.given) == tiles, "as few as cover the image"
    assert {tuple(tile.shape[-2:]) for tile in predict.given} == {TILE}


def test_logits_are_averaged_where_tiles_overlap():
    numbers = iter((1.0, 2.0))

    def predict(tile):
        return torch.full((len(tile), 1, *TILE), next(numbers))

    logits = tiled(predict, images(6, 6), TILE)
    assert logits[0, 0, :, 0].tolist() == [1, 1, 1.5, 1.5, 2, 2]


def test_an_image_smaller_than_a_tile_is_padded_with_zeros_as_in_training():
    predict = Pixelwise()
    tiled(predict, images(3, 5), TILE)
    (tile,) = predict.given
    assert not tile[..., 3:, :].any()
    assert not tile[..., 5:].any()


@pytest.mark.parametrize(
    ("inputs", "predict", "words"),
    [
        ([1], Pixelwise(), "inputs of type list; it needs images"),
        (images(8, 8), lambda tile: tile.float().mean((2, 3)), r"gives \(2, 3\) for a tile of 4x6"),
        (images(8, 8), lambda tile: [tile], "gives list for a tile of 4x6"),
    ],
)
def test_what_has_no_logits_of_pixels_is_refused(inputs, predict, words):
    with pytest.raises(UserError, match=words) as refused:
        tiled(predict, inputs, TILE)
    assert "fixed_input_size" in refused.value.next_step


def mask_data(crop, size):
    def split(count):
        masks = torch.randint(0, 4, (count, *size), dtype=torch.uint8, generator=generator(1))
        pixels = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8, generator=generator(0))
        return ResidentImages(pixels, masks)

    return MaskData(
        split(4), split(2), crop=crop, view=View(base_size=min(size)), num_classes=4,
        normalization=HALF, version="v", device=CPU,
    )  # fmt: skip


def of_masks(recipe, network, crop):
    return replace(
        recipe, task="segmentation", num_classes=4, image_size=crop, batch_size=2, epochs=1, network=network,
        loss=lambda: nn.CrossEntropyLoss(ignore_index=255),
    )  # fmt: skip


def test_a_network_that_fits_any_size_has_the_same_score_by_tiles(recipe):
    """It sees one pixel at a time."""
    data = mask_data((8, 8), (12, 20))
    recipe = of_masks(recipe, lambda: nn.Conv2d(3, 4, 1), (8, 8))
    scores = [
        Trainer(recipe, data, seed=0, device=CPU, tile=tile).evaluate("validation") for tile in (None, (8, 8))
    ]
    assert scores[0] == pytest.approx(scores[1])


def test_gather_excite_is_evaluated_on_images_larger_than_its_kernels(recipe):
    crop = (64, 64)
    data = mask_data(crop, (80, 128))
    changed = ge_theta(of_masks(recipe, lambda: BiSeNet(4, width=0.25), crop))
    with pytest.raises(NotApplicable, match="this layer was built for"):
        Trainer(changed, data, seed=0, device=CPU).evaluate("validation")
    trainer = Trainer(changed, data, seed=0, device=CPU, tile=crop)
    next(trainer.epoch_steps())
    assert 0 <= trainer.evaluate("validation")["miou"] <= 1
