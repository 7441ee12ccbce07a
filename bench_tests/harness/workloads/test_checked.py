"""Every file of a data set decoded: all that are damaged are named, labels are counted, and a contact sheet is drawn."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from bench_tests.harness.workloads.small_sets import DRIVE_IDS, WORKLOADS, write_image, write_mask
from greenbench.data import checking
from greenbench.data.checking import check_split
from greenbench.data.decorator import workload
from greenbench.data.folders import image_folders
from greenbench.data.images import LabelFiles, ResidentImages
from greenbench.data.sheets import contact_sheet
from greenbench.errors import UserError
from greenbench.execute.progress import silent
from greenbench.study.datasets import check, examine


def checked(name, root, folder):
    workload = WORKLOADS[name]
    return check(workload, root, examine(workload, root), folder, lambda _label: silent)


def width_of(found):
    with Image.open(found.contact_sheet) as sheet:
        return sheet.width


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("GREENBENCH_CACHE", "off")


def test_pixels_are_counted_by_label_and_the_sheet_is_drawn(drives, tmp_path):
    found = checked("camvid", drives, tmp_path)
    assert found.status == "partial", "1 + 1 images are not 367 + 101"
    for split in found.checked.values():
        ids = DRIVE_IDS.ravel()
        assert split.labels == tuple((ids == label).sum() for label in range(11))
        assert split.ignored == (ids >= 11).sum()
        assert (split.samples, split.faults) == (1, ())
    assert width_of(found) > 1000


def test_all_damaged_files_are_named_and_the_rest_is_counted(drives, tmp_path):
    folder = drives / "CamVid"
    for number in range(20):
        write_image(folder / "train" / f"more_{number:02}.png", 8, 32)
        write_mask(folder / "trainannot" / f"more_{number:02}.png", DRIVE_IDS)
    cut = folder / "train" / "more_03.png"
    cut.write_bytes(cut.read_bytes()[:200])
    (folder / "train" / "more_07.png").write_text("<html>")
    write_mask(folder / "trainannot" / "more_11.png", np.full((8, 32), 77))
    write_mask(folder / "valannot" / "0016E5_07959.png", np.zeros((7, 32)))
    found = checked("camvid", drives, tmp_path)
    assert found.status == "damaged"
    named = "more_03.png", "more_07.png", "more_11.png", "0016E5_07959.png"
    assert len(found.faults) == 4
    for fault, name in zip(found.faults, named, strict=True):
        assert name in fault
        assert name in (tmp_path / "camvid-damaged.txt").read_text()
    assert "and 3 more" in found.reason
    assert found.checked["train"].labels[0] == 18 * (DRIVE_IDS == 0).sum()
    assert found.contact_sheet


def test_a_mended_set_leaves_no_list_behind(drives, tmp_path):
    mask = drives / "CamVid" / "trainannot" / "0001TP_006690.png"
    kept = mask.read_bytes()
    write_mask(mask, np.full((8, 32), 77))
    assert checked("camvid", drives, tmp_path).status == "damaged"
    mask.write_bytes(kept)
    assert checked("camvid", drives, tmp_path).status == "partial"
    assert not (tmp_path / "camvid-damaged.txt").exists()


def test_damage_is_found_where_the_cache_still_has_the_image(drives, tmp_path, monkeypatch):
    monkeypatch.setenv("GREENBENCH_CACHE", str(tmp_path / "cache"))
    samples = WORKLOADS["camvid"].samples(drives, "train")
    samples[0]
    monkeypatch.setattr(samples, "_decode", lambda *_files: (_ for _ in ()).throw(UserError("rotten")))
    samples[0]
    assert check_split(samples, "train", WORKLOADS["camvid"], lambda _done: None).faults == ("rotten",)


def test_masks_that_are_wrong_together_are_found(streets, tmp_path):
    file = next(streets.glob("cityscapes/gtFine/train/*/*labelIds.png"))
    write_mask(file, np.resize([*range(19), 255], (8, 32)))
    found = checked("cityscapes", streets, tmp_path)
    assert found.status == "damaged"
    assert "labelTrainIds" in found.next_step
    assert len(found.faults) == 1


def test_tiny_imagenet_is_decoded_file_by_file(tiny, tmp_path):
    folder, wnids = tiny
    for number in (3, 150):
        file = folder / "train" / wnids[number] / "images" / f"{wnids[number]}_0.JPEG"
        file.unlink()
        write_image(file, 64, 65)
    found = checked("tiny_imagenet", folder.parent, tmp_path)
    assert ["64x65" in fault for fault in found.faults] == [True, True]
    assert found.checked["train"].labels == tuple(int(n not in (3, 150)) for n in range(200))
    assert width_of(found) > 900


def test_what_is_wrong_with_both_splits_is_said_once(tiny, tmp_path):
    folder, wnids = tiny
    shutil.rmtree(folder / "train" / wnids[0])
    found = checked("tiny_imagenet", folder.parent, tmp_path)
    assert len(found.faults) == 1
    assert "199 class folders" in found.reason


def test_both_files_of_cifar_are_named(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    for name in ("train.bin", "test.bin"):
        (folder / name).write_bytes(b"x")
    found = checked("cifar100", tmp_path, tmp_path)
    assert ["train.bin" in found.faults[0], "test.bin" in found.faults[1]] == [True, True]
    assert found.contact_sheet is None


def test_folders_of_images_of_ones_own_are_checked_where_the_first_is_damaged(tmp_path):
    @workload(metric="accuracy", epochs=1, batch_size=2)
    def pictures(root):
        """Pictures."""
        return *image_folders(root / "pictures", 8), lambda: torch.nn.Flatten()

    for split in ("train", "val"):
        for label in ("a", "b"):
            for number in range(3):
                write_image(tmp_path / "pictures" / split / label / f"{number}.png", 9, 8)
    for name in ("train/a/0.png", "val/b/2.png"):
        (tmp_path / "pictures" / name).write_bytes(b"no image")
    found = check(pictures, tmp_path, examine(pictures, tmp_path), tmp_path / "sheets", lambda _label: silent)
    assert ["train/a/0.png" in found.faults[0], "val/b/2.png" in found.faults[1], len(found.faults)] == [
        True,
        True,
        2,
    ]
    assert [found.checked[split].samples for split in ("train", "validation")] == [6, 6]
    assert found.contact_sheet
    assert found.status == "damaged"


def test_what_the_system_refuses_is_a_sentence(drives, tmp_path):
    def refuse(_root, split):
        raise PermissionError(13, "Permission denied")

    needy = replace(WORKLOADS["camvid"], samples=refuse)
    found = check(needy, drives, examine(needy, drives), tmp_path, lambda _label: silent)
    assert found.status == "damaged"
    assert found.faults == [
        f"the data of camvid below {drives} cannot be read: PermissionError: [Errno 13] Permission denied"
    ]


# Splits of any kind.


class Bad:
    """Every second sample raises what a user's data set may raise."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if index % 2:
            raise ZeroDivisionError("one by none")
        return torch.zeros(3, 4, 4, dtype=torch.uint8), index


@pytest.mark.parametrize("thread_safe", [False, True])
def test_any_exception_is_a_fault_of_its_sample(thread_safe, monkeypatch):
    monkeypatch.setattr(checking, "AT_ONCE", 4)
    samples = Bad()
    samples.thread_safe = thread_safe
    done = []
    found = check_split(samples, "train", WORKLOADS["camvid"], done.append)
    assert done == [1, 2, 3, 4, 5, 6], "in order, each once"
    assert [fault.split(":")[0] for fault in found.faults] == [
        f"sample {n} of the train data" for n in (1, 3, 5)
    ]
    assert found.labels == tuple(int(label in (0, 2, 4)) for label in range(11))


@pytest.mark.parametrize(("label", "named"), [(-1, -1), (11, 11), (254, 254), (300, 300)])
def test_a_label_of_no_class_is_a_fault(label, named):
    targets = torch.zeros(3, 2, 2, dtype=torch.int64)
    targets[1, 0, 0] = label
    images = ResidentImages(torch.zeros(3, 3, 2, 2, dtype=torch.uint8), targets)
    found = check_split(images, "train", WORKLOADS["camvid"], lambda _done: None)
    assert len(found.faults) == 1
    assert f"sample 1 of the train data has the label {named}" in found.faults[0]
    assert found.labels[0] == 8


def test_the_colors_of_a_mask_lie_where_the_mask_is():
    images = torch.full((1, 3, 60, 80), 200, dtype=torch.uint8)
    masks = torch.zeros(1, 60, 80, dtype=torch.uint8)
    masks[0, :, 40:] = 255
    one = ResidentImages(images, masks)
    sheet = np.array(contact_sheet({"train": one}, "", 255), int)
    (top, *_), (left, *_) = np.nonzero((sheet == 200).all(axis=2))
    image, labeled, dark = (sheet[top + 20, left + x] for x in (20, 240 + 20, 240 + 200))
    assert image.tolist() == [200, 200, 200]
    assert labeled[0] > labeled[1], "label 0 is red"
    assert dark.tolist() == [50, 50, 50]


def test_there_is_no_sheet_of_what_are_no_images():
    numbers = ResidentImages(torch.zeros(3, 5), torch.zeros(3))
    assert contact_sheet({"train": numbers}, "") is None


def test_a_file_that_cannot_be_decoded_leaves_a_gray_field(tmp_path):
    files = [(tmp_path / f"{n}.png", n) for n in range(3)]
    for file, _ in files:
        write_image(file, 8, 8)
    files[0][0].write_bytes(b"no image")
    sheet = contact_sheet({"train": LabelFiles(files, (8, 8), "")}, "Three")
    assert sheet is not None
    assert (np.array(sheet) == 190).all(axis=2).sum() >= 100 * 100
