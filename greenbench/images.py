"""Images with their targets: held in memory as one tensor, or decoded from files when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


class Images(Protocol):
    """A sequence of (image, target)."""

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image (3, H, W) uint8 and its target: a label () or a mask (H, W), int64 or uint8."""
        ...


class ResidentImages:
    """Images of one size, all in memory.

    Parameters
    ----------
    images
        (N, 3, H, W) uint8.
    targets
        Labels (N,) int64, or masks (N, H, W) uint8.
    """

    def __init__(self, images: Tensor, targets: Tensor) -> None:
        if len(images) != len(targets):
            raise ValueError(f"{len(images)} images have {len(targets)} targets; they must be as many")
        self.images = images
        self.targets = targets

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.targets[index]

    def to(self, device: torch.device) -> ResidentImages:
        """Return the same images on `device`."""
        return ResidentImages(self.images.to(device), self.targets.to(device))


class SegmentationFiles:
    """Image and mask files, decoded on access.

    Parameters
    ----------
    pairs
        (image file, mask file).
    class_of_id
        Table of 256 entries from the mask's stored value to the class, `IGNORE_INDEX` for none.
    """

    def __init__(self, pairs: Sequence[tuple[Path, Path]], class_of_id: np.ndarray | None = None) -> None:
        self.pairs = pairs
        self._class_of_id = class_of_id

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image_file, mask_file = self.pairs[index]
        mask = decode(mask_file, "L")
        if self._class_of_id is not None:
            mask = self._class_of_id[mask]
        return as_image(decode(image_file, "RGB")), torch.from_numpy(mask)


def decode(file: Path, mode: str) -> np.ndarray:
    """Decode an image file: (H, W, 3) for mode RGB, the stored values (H, W) for mode L."""
    from PIL import Image

    with Image.open(file) as image:
        # A palette image holds class ids; converting it to gray levels would lose them.
        keep = mode == "L" and image.mode in ("L", "P")
        return np.array(image if keep else image.convert(mode))


def as_image(pixels: np.ndarray) -> Tensor:
    """Turn (H, W, 3) uint8 into a contiguous (3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def pair_files(
    image_folder: Path, pattern: str, mask_of_image: Callable[[Path], Path]
) -> list[tuple[Path, Path]]:
    """Return the sorted images of a folder with their masks; `FileNotFoundError` names what is missing."""
    images = sorted(image_folder.glob(pattern))
    if not images:
        raise FileNotFoundError(f"no {pattern} in {image_folder}; is the data set unpacked completely?")
    pairs = [(image, mask_of_image(image)) for image in images]
    for image, mask in pairs:
        if not mask.is_file():
            raise FileNotFoundError(f"{image} has no mask at {mask}; is the data set unpacked completely?")
    return pairs
