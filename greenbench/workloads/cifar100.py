"""CIFAR-100 with ResNet-50."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from greenbench.data.decorator import workload
from greenbench.errors import UserError
from greenbench.networks.factories import resnet50
from greenbench.nn.schedules import step_decay
from greenbench.spec.workload import Setting

if TYPE_CHECKING:
    import torch

    from greenbench.data.images import ResidentImages
    from greenbench.data.labels import LabelData

SHA1 = {
    "train.bin": "e207cd2e05b73b1393c74c7f5e7bea451d63e08e",
    "test.bin": "8fb6623e830365ff53cf14adec797474f5478006",
}
FOLDER = "cifar-100-binary"
CLASSES = 100
ROW_BYTES = 2 + 3 * 32 * 32
"""Coarse label, fine label, then the image channel by channel."""


def _read(file: Path) -> ResidentImages:
    import numpy as np
    import torch

    from greenbench.data.images import ResidentImages

    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"cifar100: {file} is missing", "unpack cifar-100-binary.tar.gz again") from error
    found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if found != SHA1[file.name]:
        raise UserError(
            f"cifar100: {file} has SHA-1 {found}, the official file {SHA1[file.name]}", "download it again"
        )
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
    how_to_get="Unpack cifar-100-binary.tar.gz (www.cs.toronto.edu/~kriz/cifar.html) into the data root.",
    network=resnet50,
    schedule=partial(step_decay, warmup_fraction=1 / 200),
    settings={
        "short": Setting(epochs=10, batch_size=128, learning_rate=0.1, large_batch=1024),
        "paper": Setting(epochs=200, batch_size=128, learning_rate=0.1, large_batch=1024),
    },
    best_known={"accuracy": 0.799},
)
def cifar100(root: Path, device: torch.device) -> LabelData:
    """CIFAR-100: 50,000 + 10,000 images of 32x32 in 100 classes, with ResNet-50.

    **Source.** Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; the binary version,
    because the Python one is a pickle, which runs code when it is opened.

    **Augmentation.** Random crop of 32 after padding by 4, horizontal flip, rotation by up to 15 degrees.
    """
    from greenbench.data.augmentation import Augmentation
    from greenbench.data.labels import LabelData
    from greenbench.data.normalization import Normalization

    folder = root / FOLDER
    return LabelData(
        _read(folder / "train.bin"),
        _read(folder / "test.bin"),
        augmentation=Augmentation(padding=4, flip=True, rotation_degrees=15),
        normalization=Normalization((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
        version=SHA1["train.bin"][:12],
        device=device,
    )
