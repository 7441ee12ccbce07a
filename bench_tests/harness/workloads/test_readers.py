"""Readers of the real data sets, on small copies in their official layouts, whole and damaged."""

import hashlib
import pickle
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
    RANDOM,
    STREET_IDS,
    UNUSED,
    WORKLOADS,
    load,
    write_image,
    write_mask,
)
from greenbench.data.augmentation import Augmentation
from greenbench.data.views import View
from greenbench.errors import UserError
from greenbench.spec.workload import check_root
from greenbench.workloads import cifar100

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def is_normalized(data, pixels, mean, std):
    """Whether images (N, 3, H, W) uint8 are normalized by these numbers."""
    expected = (pixels / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    return torch.allclose(data.normalize(pixels), expected, atol=1e-5)


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


# CIFAR-100: rows of coarse label, fine label, red, green and blue plane; checked against SHA-1.


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    rows = {}
    digests = {}
    for name, images in (("train.bin", 6), ("test.bin", 3)):
        rows[name] = RANDOM.integers(0, 100, (images, 2 + 3 * 32 * 32), np.uint8)
        file = tmp_path / "cifar-100-binary" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(rows[name].tobytes())
        digests[name] = hashlib.sha1(rows[name].tobytes()).hexdigest()
    monkeypatch.setattr(cifar100, "SHA1", digests)
    return tmp_path, rows


def test_cifar100_reads_fine_labels_and_channel_planes(cifar):
    root, rows = cifar
    splits = load("cifar100", root)
    for split, name in ((splits.train, "train.bin"), (splits.validation, "test.bin")):
        assert len(split) == len(rows[name])
        assert split.targets.tolist() == rows[name][:, 1].tolist()
        image, label = split[1]
        assert image.shape == (3, 32, 32)
        assert image[0, 0, 1] == rows[name][1, 2 + 1], "red comes first, row by row"
        assert image[2, 31, 31] == rows[name][1, -1], "the last byte is the last blue pixel"
        assert label == rows[name][1, 1]


def test_cifar100_is_augmented_and_normalized_as_in_the_study(cifar):
    splits = load("cifar100", cifar[0])
    assert splits.data._augmentation == Augmentation(padding=4, flip=True, rotation_degrees=15)
    mean, std = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
    assert is_normalized(splits.data, splits.train.images, mean, std)


@pytest.mark.parametrize("name", ["train.bin", "test.bin"])
@pytest.mark.parametrize("damage", ["altered", "truncated", "missing"])
def test_a_damaged_cifar100_file_is_named_with_the_cure(cifar, name, damage):
    root, _ = cifar
    file = root / "cifar-100-binary" / name
    if damage == "altered":
        content = bytearray(file.read_bytes())
        content[100] ^= 1
        file.write_bytes(content)
    elif damage == "truncated":
        truncate(file)
    else:
        file.unlink()
    with pytest.raises(UserError) as error:
        load("cifar100", root)
    message = str(error.value)
    assert str(file) in message
    if damage == "missing":
        assert "unpack cifar-100-binary.tar.gz again" in message
    else:
        assert hashlib.sha1(file.read_bytes()).hexdigest() in message
        assert cifar100.SHA1[name] in message
        assert "download it again" in message


@pytest.mark.parametrize("protocol", [2, 4])
def test_the_python_version_of_cifar100_gives_the_same(cifar, protocol):
    root, rows = cifar
    whole = load("cifar100", root)
    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, own in (("train", rows["train.bin"]), ("test", rows["test.bin"])):
        found = {
            "coarse_labels": own[:, 0].tolist(),
            "fine_labels": own[:, 1].tolist(),
            "data": own[:, 2:].copy(),
        }
        (folder / name).write_bytes(pickle.dumps(found, protocol))
    shutil.rmtree(root / "cifar-100-binary")
    assert WORKLOADS["cifar100"].missing(root) is None
    found = load("cifar100", root)
    assert found.version == whole.version
    for mine, theirs in ((found.train, whole.train), (found.validation, whole.validation)):
        assert mine.images.equal(theirs.images)
        assert mine.targets.equal(theirs.targets)
    (folder / "train").write_bytes(pickle.dumps({"data": [1]}, protocol))
    with pytest.raises(UserError, match="train does not hold images with coarse and fine labels"):
        load("cifar100", root)
    (folder / "train").unlink()
    with pytest.raises(UserError, match=r"train is missing: .*holds test; unpack cifar-100-python.tar.gz"):
        load("cifar100", root)


def test_a_cifar100_archive_in_its_folder_is_seen(cifar):
    root, _ = cifar
    folder = root / "cifar-100-binary"
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "cifar-100-binary.tar.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"train.bin is missing: .*holds cifar-100-binary.tar.gz; unpack"):
        load("cifar100", root)


# Tiny-ImageNet: train/<wnid>/images/*.JPEG, val/images/*.JPEG with val_annotations.txt.


def test_tiny_imagenet_numbers_classes_in_order_of_their_names(tiny):
    folder, _ = tiny
    splits = load("tiny_imagenet", folder.parent)
    assert splits.train.images.shape == (200, 3, 64, 64)
    assert splits.train.targets.tolist() == list(range(200))
    assert splits.validation.targets.tolist() == [3, 0, 199, 3]
    first = np.asarray(Image.open(next((folder / "train").glob("n10000000/images/*"))))
    assert np.array_equal(splits.train[0][0].permute(1, 2, 0), first)


def test_tiny_imagenet_is_augmented_and_normalized_as_in_the_study(tiny):
    splits = load("tiny_imagenet", tiny[0].parent)
    assert splits.data._augmentation == Augmentation(padding=8, flip=True, rotation_degrees=0)
    mean, std = (0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)
    assert is_normalized(splits.data, splits.train.images, mean, std)


def test_gray_images_are_read_as_three_equal_channels(tiny):
    folder, wnids = tiny
    file = folder / "train" / wnids[5] / "images" / f"{wnids[5]}_0.JPEG"
    file.unlink()
    Image.fromarray(RANDOM.integers(0, 256, (64, 64), np.uint8)).save(file)
    image = load("tiny_imagenet", folder.parent).train[5][0]
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])


def test_a_part_of_tiny_imagenet_is_read_as_far_as_its_files_go(tiny):
    folder, _ = tiny
    whole = load("tiny_imagenet", folder.parent)
    (folder / "val" / "images" / "val_1.JPEG").unlink()
    part = load("tiny_imagenet", folder.parent)
    assert part.validation.targets.tolist() == [3, 199, 3]
    assert part.version != whole.version, "results on a part are not compared with those on the whole"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("class", "train holds 199 class folders instead of 200"),
        ("train", "train holds 0 class folders instead of 200"),
        ("annotations", "val_annotations.txt is missing"),
        ("unknown class", "val_annotations.txt has a line"),
        ("not a table", "val_annotations.txt has a line"),
        ("images", "val holds no images"),
        ("truncated", "n10000000_0.JPEG cannot be read as an image"),
    ],
)
def test_damage_of_tiny_imagenet_is_named_with_the_cure(tiny, damage, words):
    folder, wnids = tiny
    annotations = folder / "val" / "val_annotations.txt"
    image = folder / "train" / wnids[0] / "images" / f"{wnids[0]}_0.JPEG"
    if damage == "class":
        (folder / "train" / wnids[0]).rename(folder / "elsewhere")
    elif damage == "train":
        (folder / "train").rename(folder / "elsewhere")
    elif damage == "images":
        (folder / "val" / "images").rename(folder / "elsewhere")
    elif damage == "truncated":
        content = image.read_bytes()
        image.unlink()
        image.write_bytes(content[: len(content) // 2])
    else:
        annotations.unlink()
        if damage == "unknown class":
            annotations.write_text("val_0.JPEG\tn99999999\t0\t0\t1\t1\n")
        elif damage == "not a table":
            annotations.write_text("<html>not found</html>\n")
    with pytest.raises(UserError, match="again") as error:
        load("tiny_imagenet", folder.parent)
    assert words in str(error.value)
    assert str(folder) in str(error.value)


# Cityscapes, COCO-Stuff and CamVid: an image folder and a mask folder, decoded when asked for.


CITYSCAPES_TRAIN_IDS = {
    "road": (7, 0), "sidewalk": (8, 1), "building": (11, 2), "wall": (12, 3), "fence": (13, 4),
    "pole": (17, 5), "traffic light": (19, 6), "traffic sign": (20, 7), "vegetation": (21, 8),
    "terrain": (22, 9), "sky": (23, 10), "person": (24, 11), "rider": (25, 12), "car": (26, 13),
    "truck": (27, 14), "bus": (28, 15), "train": (31, 16), "motorcycle": (32, 17), "bicycle": (33, 18),
}  # fmt: skip
"""Label id and train id, from the publishers' table of labels."""


def test_cityscapes_maps_label_ids_to_the_19_evaluated_classes(streets):
    splits = load("cityscapes", streets)
    expected = np.full(256, IGNORE_INDEX)
    for label_id, train_id in CITYSCAPES_TRAIN_IDS.values():
        expected[label_id] = train_id
    for split in (splits.train, splits.validation):
        image, mask = split[0]
        assert image.shape == (3, 8, 32)
        assert mask.tolist() == expected[STREET_IDS].tolist()
    assert WORKLOADS["cityscapes"].num_classes == len(CITYSCAPES_TRAIN_IDS)


def test_coco_stuff_numbers_the_171_used_ids_without_gaps(photographs):
    mask = load("coco_stuff", photographs).train[0][1]
    label_of = {raw: label for label, raw in enumerate(raw for raw in range(182) if raw not in UNUSED)}
    assert len(label_of) == 171
    assert mask.flatten().tolist() == [label_of.get(raw, IGNORE_INDEX) for raw in PHOTOGRAPH_IDS.flatten()]
    assert WORKLOADS["coco_stuff"].num_classes == 171


def test_camvid_has_11_classes_and_ignores_the_void(drives):
    splits = load("camvid", drives)
    for split in (splits.train, splits.validation):
        image, mask = split[0]
        assert image.shape == (3, 8, 32)
        assert mask.tolist() == np.where(DRIVE_IDS < 11, DRIVE_IDS, IGNORE_INDEX).tolist()
    assert WORKLOADS["camvid"].num_classes == 11
    assert splits.version.startswith("1+1 files, names and sizes "), "the test images are not used"


def test_camvid_in_another_format_and_size_is_read_as_another_version(drives):
    folder = drives / "CamVid"
    version = load("camvid", drives).version
    for split in ("train", "val"):
        (image,), (mask,) = (folder / split).glob("*"), (folder / f"{split}annot").glob("*")
        image.unlink()
        write_image(image.with_suffix(".jpg"), 4, 16)
        write_mask(mask, np.zeros((4, 16)))
    splits = load("camvid", drives)
    assert splits.train[0][0].shape == (3, 4, 16)
    assert splits.version != version


def test_camvid_becomes_batches_and_a_score(drives, monkeypatch):
    data = load("camvid", drives).data
    monkeypatch.setattr(data._loaders, "_workers", 0)
    ((images, masks),) = data.training_batches(16, 0.125, torch.Generator().manual_seed(0))
    assert images.shape == (1, 3, 44, 60)
    assert masks.shape == (1, 44, 60)
    ((_, mask),) = data.evaluation_batches("validation")
    score = data.score()
    score.update(torch.nn.functional.one_hot(mask.long().clamp(max=10), 11).permute(0, 3, 1, 2), mask)
    assert set(score.compute().values()) == {1.0}


@pytest.mark.parametrize(
    ("name", "layout", "view", "crop"),
    [
        ("cityscapes", "streets", View(1024, (0.5, 2.0), color_jitter=0.3), (512, 512)),
        ("coco_stuff", "photographs", View(640, (0.5, 2.0)), (640, 640)),
        ("camvid", "drives", View(360, (0.5, 2.0)), (352, 480)),
    ],
)
def test_views_and_normalization_of_the_segmentation_sets(name, layout, view, crop, request):
    splits = load(name, request.getfixturevalue(layout))
    assert splits.data._view == view
    assert splits.data._crop == crop == WORKLOADS[name].image_size
    assert is_normalized(splits.data, splits.train[0][0][None], *IMAGENET)


def test_a_palette_mask_keeps_its_ids(photographs):
    file = photographs / "coco_stuff164k" / "annotations" / "train2017" / f"{9:012}.png"
    plain = load("coco_stuff", photographs).train[0][1]
    palette = Image.open(file).convert("P")
    palette.putdata(PHOTOGRAPH_IDS.flatten().tolist())
    palette.putpalette(RANDOM.integers(0, 256, 768).tolist())
    palette.save(file)
    assert torch.equal(load("coco_stuff", photographs).train[0][1], plain)


LAYOUTS = {
    "cityscapes": ("streets", "leftImg8bit/val/*/*.png", "gtFine/val/*/*labelIds.png"),
    "coco_stuff": ("photographs", "images/val2017/*.jpg", "annotations/val2017/*.png"),
    "camvid": ("drives", "val/*.png", "valannot/*.png"),
}


@pytest.fixture(params=LAYOUTS)
def files(request):
    """Return a workload's name, its root, and the image and mask of its validation split."""
    layout, images, masks = LAYOUTS[request.param]
    root = request.getfixturevalue(layout)
    folder = root / WORKLOADS[request.param].folder
    (image,), (mask,) = folder.glob(images), folder.glob(masks)
    return request.param, root, image, mask


def test_a_missing_mask_is_named_with_its_image_and_the_cure(files):
    name, root, image, mask = files
    mask.unlink()
    with pytest.raises(UserError, match="1 of 1 images; unpack the masks") as error:
        load(name, root)
    assert str(image) in str(error.value)
    assert str(mask) in str(error.value)


def test_a_folder_without_images_is_named_with_the_cure(files):
    name, root, image, _ = files
    image.unlink()
    with pytest.raises(UserError, match="unpack the images of the data set again") as error:
        load(name, root)
    assert str(image.parents[1] if name == "cityscapes" else image.parent) in str(error.value)


@pytest.mark.parametrize("which", ["image", "mask"])
def test_a_file_that_cannot_be_decoded_is_named_with_the_cure(files, which):
    name, root, image, mask = files
    damaged = image if which == "image" else mask
    truncate(damaged)
    with pytest.raises(UserError, match=r"cannot be read as an image .* again") as error:
        load(name, root).validation[0]
    assert str(damaged) in str(error.value)


def test_a_mask_of_another_size_than_its_image_is_refused(files):
    name, root, image, mask = files
    write_mask(mask, np.resize([0, 10, 23] if name == "cityscapes" else 0, (8, 16)))
    with pytest.raises(UserError, match=r"8x32 pixels, its mask .* 8x16") as error:
        load(name, root).validation[0]
    assert str(image) in str(error.value)


# Where the data lie.


@pytest.mark.parametrize("name", ["cifar100", "tiny_imagenet", "cityscapes", "coco_stuff", "camvid"])
def test_missing_data_says_where_it_was_looked_for_and_how_to_get_it(name, tmp_path):
    workload = WORKLOADS[name]
    for root, where in (
        (None, "--green-data or GREENBENCH_DATA"),
        (tmp_path, str(tmp_path / workload.folder)),
    ):
        reason = workload.missing(root)
        assert where in reason
        assert workload.how_to_get in reason
        assert re.search("[Uu]npack|Put", workload.how_to_get)
    (tmp_path / workload.folder).mkdir()
    assert workload.missing(tmp_path) is None


def test_embedded_data_are_never_missing():
    assert [name for name, workload in WORKLOADS.items() if workload.missing(None) is None] == [
        "digits",
        "scenes4",
    ]


def test_a_data_root_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file; give the folder"):
        check_root(tmp_path / "file")
    with pytest.raises(UserError, match="nowhere does not exist; give the folder"):
        check_root(tmp_path / "nowhere")
    assert check_root(tmp_path) == tmp_path
