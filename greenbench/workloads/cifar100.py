"""CIFAR-100 with ResNet-50."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.errors import DataError
from greenbench.networks.factories import resnet50
from greenbench.nn.schedules import step_decay
from greenbench.spec.download import Download
from greenbench.spec.workload import Setting, Split, Subset

if TYPE_CHECKING:
    import torch

    from greenbench.data.images import ResidentImages
    from greenbench.data.labels import LabelData

SHA1 = {
    "train.bin": "e207cd2e05b73b1393c74c7f5e7bea451d63e08e",
    "test.bin": "8fb6623e830365ff53cf14adec797474f5478006",
}
FOLDER, PYTHON_FOLDER = "cifar-100-binary", "cifar-100-python"
CLASSES = 100
MEAN, DEVIATION = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
"""Of the training images' channels."""
ROW_BYTES = 2 + 3 * 32 * 32
"""Coarse label, fine label, then the image channel by channel."""


def _read(file: Path) -> bytes:
    """Return the rows of a file of the binary version."""
    return _checked(_content(file), SHA1[file.name], f"{file}")


def _content(file: Path) -> bytes:
    from greenbench.data.sources import content_of

    cure = f"unpack {file.parent.name}.tar.gz again"
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise DataError(f"cifar100: {file} is missing: {content_of(file.parent)}", cure) from None
    except OSError as error:
        raise DataError(f"cifar100: {file} cannot be read ({error.strerror})", cure) from None


def _read_pickle(file: Path) -> bytes:
    """Return the rows of a file of the Python version, as the binary version has them."""
    import numpy as np

    from greenbench.data.pickled import read_arrays

    found = read_arrays(_content(file), f"cifar100: {file}")
    try:
        parts = [found["coarse_labels"], found["fine_labels"], found["data"]]
        arrays = [np.asarray(part, np.uint8).reshape(len(parts[0]), -1) for part in parts]
        rows = np.concatenate(arrays, axis=1)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"cifar100: {file} does not hold images with coarse and fine labels ({error!r})",
            "unpack cifar-100-python.tar.gz again",
        ) from None
    return _checked(rows.tobytes(), SHA1[f"{file.name}.bin"], f"what {file} holds")


def _checked(rows: bytes, official: str, what: str) -> bytes:
    found = hashlib.sha1(rows, usedforsecurity=False).hexdigest()
    if found != official:
        raise DataError(
            f"cifar100: {what} has SHA-1 {found}, the official file {official}", "download it again"
        )
    return rows


def _images(root: Path, split: Split) -> ResidentImages:
    import numpy as np
    import torch

    from greenbench.data.images import ResidentImages
    from greenbench.data.sources import data_folder

    folder, python_folder = data_folder(root, FOLDER), data_folder(root, PYTHON_FOLDER)
    name = "train" if split == "train" else "test"
    if folder.is_dir() or not python_folder.is_dir():
        content = _read(folder / f"{name}.bin")
    else:
        content = _read_pickle(python_folder / name)
    rows = torch.from_numpy(np.frombuffer(content, np.uint8).reshape(-1, ROW_BYTES).copy())
    return ResidentImages(rows[:, 2:].reshape(-1, 3, 32, 32).contiguous(), rows[:, 1].long())


@workload(
    title="CIFAR-100",
    metric="accuracy",
    num_classes=CLASSES,
    image_size=(32, 32),
    train_images=50_000,
    validation_images=10_000,
    folder=FOLDER,
    other_folder=PYTHON_FOLDER,
    how_to_get="Unpack cifar-100-binary.tar.gz (www.cs.toronto.edu/~kriz/cifar.html) into the data root.",
    samples=_images,
    downloads=(
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
            "md5:eb9058c3a382ffc7106e4002c42a8d85",  # on the publishers' page
            PYTHON_FOLDER,
        ),
    ),
    network=resnet50,
    schedule=partial(step_decay, warmup_fraction=1 / 200),
    settings={
        "tryout": Setting(
            epochs=10,
            batch_size=64,
            learning_rate=0.05,
            network={"width": 0.25, "blocks_per_stage": (1, 1, 1, 1), "norm_momentum": 0.3},
            floor=0.12,
            floor_source="18.7 to 20.1 % over 3 seeds; chance is 1 %",
            subset=Subset(train=10_000, validation=2_000),
            image_size=(16, 16),
        ),
        "short": Setting(epochs=10, batch_size=128, learning_rate=0.1, large_batch=1024),
        "paper": Setting(epochs=200, batch_size=128, learning_rate=0.1, large_batch=1024),
    },
    best_known={"accuracy": 0.799},
)
def cifar100(root: Path, device: torch.device) -> LabelData:
    """CIFAR-100: 50,000 + 10,000 images of 32x32 in 100 classes, with ResNet-50.

    **Source.** Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images. The binary version, or else the
    Python one, which torchvision downloads: of its pickles arrays alone are read, and no code is run. Both are checked
    against the same digests and give the same images in the same order.

    **Augmentation.** Random crop of 32 after padding by 4, horizontal flip, rotation by up to 15 degrees.
    """
    from greenbench.data.augmentation import Augmentation
    from greenbench.data.labels import LabelData
    from greenbench.data.normalization import Normalization

    return LabelData(
        _images(root, "train"),
        _images(root, "validation"),
        augmentation=Augmentation(padding=4, flip=True, rotation_degrees=15),
        normalization=Normalization(MEAN, DEVIATION),
        version=SHA1["train.bin"][:12],
        device=device,
    )
