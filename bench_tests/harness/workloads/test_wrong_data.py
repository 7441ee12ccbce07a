"""Data sets as people have them: wrong masks, single wrong images, other layouts; read, or refused in a sentence."""

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from bench_tests.harness.workloads.small_sets import (
    DRIVE_IDS,
    IGNORE_INDEX,
    PHOTOGRAPH_IDS,
    STREET_IDS,
    WORKLOADS,
    load,
    write_image,
    write_mask,
)
from greenbench.errors import DataError
from greenbench.workloads import cityscapes


def mask_of(root, pattern):
    (file,) = root.glob(pattern)
    return file


# Masks of another kind under the official names.


def refused(name, root, words):
    with pytest.raises(DataError, match=words) as error:
        load(name, root)
    assert "\n" not in str(error.value)
    assert error.value.next_step
    return str(error.value)


def test_train_ids_under_the_name_of_label_ids_are_refused(streets):
    file = mask_of(streets, "cityscapes/gtFine/train/*/*labelIds.png")
    write_mask(file, np.resize([*range(19), IGNORE_INDEX], (8, 32)))
    message = refused("cityscapes", streets, "hold the ids 0 to 18, 255, and none of 19 to 33.*labelTrainIds")
    assert str(file) in message


def with_train_ids(streets):
    """Put labelTrainIds beside the labelIds of both splits, as the publishers' scripts do."""
    table = np.full(256, IGNORE_INDEX)
    table[list(cityscapes.TRAIN_IDS)] = range(19)
    files = sorted(streets.glob("cityscapes/gtFine/*/*/*labelIds.png"))
    for file in files:
        write_mask(file.with_name(file.name.replace("labelIds", "labelTrainIds")), table[STREET_IDS])
    return files


def test_train_ids_are_read_where_only_they_are_there_and_give_the_same_classes(streets):
    before = load("cityscapes", streets)
    samples = before.train[0], before.validation[0]
    files = with_train_ids(streets)
    beside = load("cityscapes", streets)
    assert beside.version == before.version, "the published ones are read where both are there"
    for file in files:
        file.unlink()
    alone = load("cityscapes", streets)
    assert alone.version != before.version
    for (image, mask), split in zip(samples, (alone.train, alone.validation), strict=True):
        assert split[0][0].equal(image)
        assert split[0][1].equal(mask)


def test_label_ids_under_the_name_of_train_ids_are_refused(streets):
    for file in with_train_ids(streets):
        file.rename(file.with_name(file.name.replace("labelIds", "labelTrainIds")))
    refused("cityscapes", streets, "holds the ids 19 to 33, and .* 0 to 18, 255; they are likely labelIds")


def test_instance_ids_under_the_name_of_label_ids_are_refused(streets):
    file = mask_of(streets, "cityscapes/gtFine/train/*/*labelIds.png")
    Image.fromarray(np.resize([7, 26_001], (8, 32)).astype(np.uint16)).save(file)
    assert str(file) in refused("cityscapes", streets, r"numbers from 7 to 26001.*instanceIds")


def test_color_masks_are_refused(streets):
    file = mask_of(streets, "cityscapes/gtFine/val/*/*labelIds.png")
    write_image(file, 8, 32)
    assert str(file) in refused("cityscapes", streets, "holds colors")


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (PHOTOGRAPH_IDS.clip(max=181) + 1, "holds the ids .*11, .*182, and .* counted from 1"),
        (np.resize(range(171), (8, 32)), "holds the ids 11, 25, .*numbered 0 to 170 already"),
        (np.full((8, 32), 200), "holds the ids 200"),
    ],
)
def test_ids_of_coco_stuff_that_are_shifted_or_out_of_range_are_refused(photographs, ids, words):
    file = mask_of(photographs, "coco_stuff164k/annotations/train2017/*.png")
    write_mask(file, ids)
    assert str(file) in refused("coco_stuff", photographs, words)


def test_the_32_classes_of_the_first_camvid_are_refused(drives):
    file = mask_of(drives, "CamVid/trainannot/*.png")
    write_mask(file, np.resize(range(32), (8, 32)))
    assert str(file) in refused(
        "camvid", drives, "holds the ids 12 to 31, and .* 0 to 11, 255; take the masks"
    )


def test_a_wrong_mask_that_was_not_looked_at_before_is_refused_when_it_is_read(drives):
    folder = drives / "CamVid"
    for number in range(40):
        write_image(folder / "train" / f"more_{number:02}.png", 8, 32)
        write_mask(folder / "trainannot" / f"more_{number:02}.png", DRIVE_IDS)
    write_mask(folder / "trainannot" / "more_02.png", np.full((8, 32), 77))
    train = load("camvid", drives).train
    with pytest.raises(DataError, match=r"more_02.png holds the ids 77"):
        list(train)


# Files.


@pytest.mark.parametrize("which", ["images/val2017/*.jpg", "annotations/val2017/*.png"])
def test_an_empty_file_is_refused_before_training(photographs, which):
    file = mask_of(photographs / "coco_stuff164k", which)
    file.write_bytes(b"")
    assert str(file) in refused("coco_stuff", photographs, r"is empty \(0 bytes\); unpack")


@pytest.mark.parametrize(
    ("name", "layout"), [("cityscapes", "streets"), ("coco_stuff", "photographs"), ("camvid", "drives")]
)
def test_names_in_capitals_are_read_and_files_of_macos_are_not(name, layout, request):
    root = request.getfixturevalue(layout)
    small = load(name, root)
    pixels = small.train[0], small.validation[0]
    for file in sorted(root.rglob("*.*g")):
        file.with_name(f"._{file.name}").write_bytes(b"a resource fork")
        file.rename(file.with_suffix(file.suffix.upper()))
    capital = load(name, root)
    for before, after in zip(pixels, (capital.train, capital.validation), strict=True):
        assert len(after) == 1
        assert all(one.equal(other) for one, other in zip(before, after[0], strict=True))
        assert after[0][1].shape == (8, 32)


def test_the_version_follows_from_names_and_sizes_and_not_from_the_place(drives, tmp_path):
    version = load("camvid", drives).version
    moved = tmp_path / "moved"
    shutil.copytree(drives / "CamVid", moved / "CamVid")
    assert load("camvid", moved).version == version
    image = mask_of(moved, "CamVid/train/*.png")
    image.write_bytes(image.read_bytes() + b"\0")
    longer = load("camvid", moved).version
    image.rename(image.with_name("0.png"))
    mask_of(moved, "CamVid/trainannot/*.png").rename(moved / "CamVid" / "trainannot" / "0.png")
    assert len({version, longer, load("camvid", moved).version}) == 3


def test_a_folder_that_is_not_there_is_said_with_what_is(photographs):
    folder = photographs / "coco_stuff164k" / "images"
    (folder / "train2017").rename(folder / "train2017_old")
    refused("coco_stuff", photographs, r"train2017 holds no \*.jpg: .*images holds train2017_old, val2017")


def test_a_folder_unpacked_into_another_of_its_name_is_read(drives):
    shutil.move(drives / "CamVid", drives / "inner")
    (drives / "CamVid").mkdir()
    shutil.move(drives / "inner", drives / "CamVid" / "CamVid")
    assert len(load("camvid", drives).train) == 1


def test_an_image_that_a_worker_process_finds_damaged_is_named_in_a_sentence(drives, monkeypatch):
    data = load("camvid", drives).data
    image = mask_of(drives, "CamVid/train/*.png")
    image.write_bytes(b"")
    monkeypatch.setattr(data._loaders, "_workers", 1)
    with pytest.raises(DataError, match=r"it is empty: 0 bytes\); unpack the data set again$") as error:
        next(data.training_batches(1, 0.25, torch.Generator().manual_seed(0)))
    assert str(error.value).startswith(str(image))


# A data root or a folder of its own kind.


def too_high(root):
    (root / "sets" / "cifar-100-binary").mkdir(parents=True)


def other_letters(root):
    (root / "CIFAR-100-Binary").mkdir()


def not_unpacked(root):
    (root / "cifar-100-binary.tar.gz").write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (too_high, "/sets/cifar-100-binary is there: give .*/sets as the data root"),
        (other_letters, "/CIFAR-100-Binary is there: name it cifar-100-binary"),
        (not_unpacked, "/cifar-100-binary.tar.gz is there and not unpacked. Unpack"),
        (lambda root: None, "which is not there. Unpack"),
    ],
)
def test_what_lies_in_the_place_of_a_data_set_is_said(tmp_path, make, words):
    make(tmp_path)
    assert re.search(words, WORKLOADS["cifar100"].missing(tmp_path))


@pytest.mark.parametrize("inner", ["", "deeper"])
def test_a_root_inside_of_the_data_set_is_said(tmp_path, inner):
    root = tmp_path / "cifar-100-binary" / inner
    root.mkdir(parents=True)
    reason = WORKLOADS["cifar100"].missing(root)
    assert f"is inside of that folder: give {tmp_path} as the data root" in reason


# Tiny-ImageNet.


def replace_image(file, side):
    file.unlink()
    write_image(file, side, side)


@pytest.mark.parametrize("count", [1, 200])
def test_images_of_another_size_are_refused_be_it_one_or_all(tiny, count):
    folder, wnids = tiny
    for wnid in wnids[-count:]:
        replace_image(folder / "train" / wnid / "images" / f"{wnid}_0.JPEG", 32)
    message = refused(
        "tiny_imagenet", folder.parent, r"has 32x32 pixels, and all images .* have 64x64; unpack"
    )
    assert f"{wnids[-count]}_0.JPEG" in message


@pytest.mark.parametrize("inner", ["", "images"])
def test_a_rearranged_tiny_imagenet_is_the_same(tiny, inner):
    folder, wnids = tiny
    whole = load("tiny_imagenet", folder.parent)
    for wnid in wnids:
        images = folder / "train" / wnid / "images"
        if not inner:
            for file in images.iterdir():
                file.rename(folder / "train" / wnid / file.name)
            images.rmdir()
        (folder / "val" / wnid / inner).mkdir(parents=True)
    for number, label in enumerate((3, 0, 199, 3)):
        name = f"val_{number}.JPEG"
        (folder / "val" / "images" / name).rename(folder / "val" / wnids[label] / inner / name)
    (folder / "val" / "val_annotations.txt").unlink()
    (folder / "val" / "images").rmdir()
    found = load("tiny_imagenet", folder.parent)
    assert found.train.images.equal(whole.train.images)
    assert found.validation.targets.tolist() == [0, 3, 3, 199]


def test_tiny_imagenet_in_small_letters_with_files_of_macos_is_the_same(tiny):
    folder, _ = tiny
    whole = load("tiny_imagenet", folder.parent)
    for file in sorted(folder.rglob("*.JPEG")):
        file.with_name(f"._{file.name}").write_bytes(b"a resource fork")
        file.rename(file.with_suffix(".jpeg"))
    found = load("tiny_imagenet", folder.parent)
    assert found.train.images.equal(whole.train.images)
    assert found.validation.targets.tolist() == whole.validation.targets.tolist()


def test_the_ids_of_the_fixtures_are_all_that_there_are():
    assert set(STREET_IDS.flatten()) == {*range(34), 255}
    assert len(set(PHOTOGRAPH_IDS.flatten())) == 172
