"""Small copies of the real data sets in their official layouts."""

import numpy as np
import pytest

from bench_tests.harness.workloads.small_sets import (
    DRIVE_IDS,
    PHOTOGRAPH_IDS,
    STREET_IDS,
    write_image,
    write_mask,
)


@pytest.fixture(scope="module")
def tiny_source(tmp_path_factory):
    """Write one training image of each of 200 classes and four validation images once."""
    root = tmp_path_factory.mktemp("tiny")
    folder = root / "tiny-imagenet-200"
    wnids = [f"n{10000000 + 7 * i}" for i in range(200)]
    for wnid in wnids:
        write_image(folder / "train" / wnid / "images" / f"{wnid}_0.JPEG", 64, 64)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t9\t9\n")
    lines = []
    for i, wnid in enumerate((wnids[3], wnids[0], wnids[199], wnids[3])):
        write_image(folder / "val" / "images" / f"val_{i}.JPEG", 64, 64)
        lines.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t62\t57\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return folder, wnids


@pytest.fixture
def tiny(tiny_source, tmp_path):
    """Return a copy that may be damaged: the images are links to those written once."""
    source, wnids = tiny_source
    folder = tmp_path / source.name
    for file in source.rglob("*.*"):
        copy = folder / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(file)
    return folder, wnids


@pytest.fixture
def streets(tmp_path):
    """Write one small scene per split whose mask holds every id that there is."""
    for split, city in (("train", "aachen"), ("val", "ulm")):
        name = f"{city}_000000_000019"
        write_image(tmp_path / "cityscapes" / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", 8, 32)
        masks = tmp_path / "cityscapes" / "gtFine" / split / city
        write_mask(masks / f"{name}_gtFine_labelIds.png", STREET_IDS)
        write_mask(masks / f"{name}_gtFine_instanceIds.png", np.zeros((8, 32)))
    return tmp_path


@pytest.fixture
def photographs(tmp_path):
    for split, number in (("train2017", 9), ("val2017", 139)):
        folder = tmp_path / "coco_stuff164k"
        write_image(folder / "images" / split / f"{number:012}.jpg", 8, 32)
        write_mask(folder / "annotations" / split / f"{number:012}.png", PHOTOGRAPH_IDS)
    return tmp_path


@pytest.fixture
def drives(tmp_path):
    """Write one small scene per split, the test images too, whose masks hold every id that there is."""
    for split, name in (("train", "0001TP_006690"), ("val", "0016E5_07959"), ("test", "Seq05VD_f00000")):
        write_image(tmp_path / "CamVid" / split / f"{name}.png", 8, 32)
        write_mask(tmp_path / "CamVid" / f"{split}annot" / f"{name}.png", DRIVE_IDS)
    return tmp_path
