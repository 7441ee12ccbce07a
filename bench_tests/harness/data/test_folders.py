"""A folder with a folder of images for each class: what it gives, and what is said of one that is laid out otherwise."""

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from greenbench import image_folders
from greenbench.data.augmentation import Augmentation
from greenbench.errors import UserError

FORMATS = ("png", "jpg", "JPEG", "bmp", "webp")
SIZES = ((30, 50), (64, 40), (32, 32), (12, 9))


def write(file, size=(20, 20), value=100, mode="RGB"):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*size, 3), value, np.uint8)
    Image.fromarray(pixels).convert(mode).save(file)


def write_classes(folder, names=("cat", "dog"), count=10):
    for label, name in enumerate(names):
        for number in range(count):
            suffix = FORMATS[number % len(FORMATS)]
            write(folder / name / f"{number:02}.{suffix}", SIZES[number % len(SIZES)], 50 + 100 * label)
    return folder


@pytest.fixture
def folder(tmp_path):
    """Return 20 images of two classes, in several sizes and formats, with what systems leave beside them."""
    write_classes(tmp_path)
    (tmp_path / "cat" / "._00.png").write_bytes(b"a resource fork")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "README.md").write_text("no class")
    return tmp_path


def test_every_fifth_image_of_a_class_is_for_validation(folder):
    train, validation = image_folders(folder, size=16)
    assert train.classes == validation.classes == ["cat", "dog"]
    assert train.targets == [0] * 8 + [1] * 8
    assert validation.targets == [0, 0, 1, 1]
    assert [file.stem for file in validation.files] == ["00", "05"] * 2
    assert not set(train.files) & set(validation.files)


def test_images_of_any_size_and_format_become_squares_of_bytes(folder):
    for split in image_folders(folder, size=16):
        for index in range(len(split)):
            image, label = split[index]
            assert image.shape == (3, 16, 16)
            assert image.dtype == torch.uint8
            assert label == split.targets[index]
            assert (image.float() - (50 + 100 * label)).abs().max() < 8, "what JPEG and WebP lose"


def test_the_center_of_the_short_side_is_taken(tmp_path):
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 200
    for name in ("a", "b"):
        write(tmp_path / name / "0.png")
        write(tmp_path / name / "1.png")
        Image.fromarray(pixels).save(tmp_path / name / "1.png")
    train, _ = image_folders(tmp_path, size=10)
    image, _ = train[0]
    assert (image[:, :, 2:-2] == 200).all()
    whole, _ = image_folders(tmp_path, size=20)
    assert (whole[0][0] == 200).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_other_modes_become_rgb(tmp_path, mode):
    for name in ("a", "b"):
        for number in range(2):
            write(tmp_path / name / f"{number}.png", mode=mode)
    assert image_folders(tmp_path, size=8)[0][0][0].shape == (3, 8, 8)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_two_folders_are_the_two_splits(tmp_path, name):
    write_classes(tmp_path / "train", count=3)
    write_classes(tmp_path / name, count=2)
    train, validation = image_folders(str(tmp_path), size=8)
    assert (train.targets, validation.targets) == ([0] * 3 + [1] * 3, [0, 0, 1, 1])


def test_training_images_alone_bring_an_augmentation(folder):
    train, validation = image_folders(folder, size=64)
    assert train.augmentation == Augmentation(padding=8, flip=True)
    assert validation.augmentation is None


def no_images(folder):
    for file in (folder / "dog").iterdir():
        file.unlink()


def other_classes(folder):
    write_classes(folder / "train")
    write_classes(folder / "val", names=("cat", "cow"))


def loose(folder):
    for name in ("cat", "dog", "__MACOSX", ".cache"):
        shutil.rmtree(folder / name)
    write(folder / "0.png")


def nested(folder):
    for name in ("cat", "dog"):
        (folder / "all" / name).parent.mkdir(exist_ok=True)
        (folder / name).rename(folder / "all" / name)


@pytest.mark.parametrize(
    ("spoil", "problem", "cure"),
    [
        (shutil.rmtree, "is no folder", "give one with a folder of images"),
        (no_images, r"dog holds no images \(\.jpg, ", "remove it, or put"),
        (other_classes, "has the class cow in one of its two parts alone", "give both the same classes"),
        (
            lambda f: write_classes(f / "train"),
            "has a folder train and none of val, valid",
            "name the folder",
        ),
        (loose, "holds images and no folders", "a folder of its own"),
        (nested, "all holds no images but folders with images, such as cat", "such as .*all"),
        (lambda f: shutil.rmtree(f / "dog"), "holds one class, cat", "add the folder of another class"),
        (lambda f: write_classes(f, names=("ant",), count=1), "ant holds a single image", "add another one"),
    ],
)
def test_another_layout_is_refused_in_a_sentence(folder, spoil, problem, cure):
    spoil(folder)
    with pytest.raises(UserError, match=problem) as error:
        image_folders(folder)
    assert re.search(cure, error.value.next_step)


@pytest.mark.parametrize("size", [0, -1, 2.5, (32, 32)])
def test_a_size_that_is_none_is_refused(folder, size):
    with pytest.raises(UserError, match=r"size is .*; give the side of the images in pixels"):
        image_folders(folder, size)


def test_a_file_that_cannot_be_decoded_is_named(folder):
    (folder / "cat" / "01.jpg").write_bytes(b"no image")
    train, _ = image_folders(folder)
    with pytest.raises(UserError, match=r"cat/01.jpg cannot be read as an image .*; remove it or put"):
        train[0]
