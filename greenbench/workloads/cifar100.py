"""CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 images of 32x32 in 100 classes, the binary version.

The binary version is read because the Python one is a pickle, which runs code when it is opened.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from greenbench.datasets import Dataset, Splits
from greenbench.errors import UserError

SHA1 = {
    "train.bin": "e207cd2e05b73b1393c74c7f5e7bea451d63e08e",
    "test.bin": "8fb6623e830365ff53cf14adec797474f5478006",
}
FOLDER = "cifar-100-binary"
ROW_BYTES = 2 + 3 * 32 * 32
"""Coarse label, fine label, then the image channel by channel."""


def _load(root: Path) -> Splits:
    import numpy as np
    import torch

    from greenbench.data.images import ResidentImages

    splits = {}
    for name, sha1 in SHA1.items():
        file = root / FOLDER / name
        try:
            content = file.read_bytes()
        except FileNotFoundError as error:
            raise UserError(f"cifar100: {file} is missing; unpack cifar-100-binary.tar.gz again") from error
        found = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        if found != sha1:
            raise UserError(
                f"cifar100: {file} has SHA-1 {found}, the official file {sha1}; download it again"
            )
        rows = torch.from_numpy(np.frombuffer(content, np.uint8).reshape(-1, ROW_BYTES).copy())
        splits[name] = ResidentImages(rows[:, 2:].reshape(-1, 3, 32, 32).contiguous(), rows[:, 1].long())
    return Splits(splits["train.bin"], splits["test.bin"], SHA1["train.bin"][:12])


DATASETS = (
    Dataset(
        name="cifar100",
        title="CIFAR-100",
        task="classification",
        classes=100,
        image_size=(32, 32),
        load=_load,
        folder=FOLDER,
        how_to_get="Unpack cifar-100-binary.tar.gz (www.cs.toronto.edu/~kriz/cifar.html) into the data root.",
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
    ),
)
