"""Images with their targets: in memory as one tensor, or decoded from files when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from greenbench.data.cache import kept
from greenbench.errors import UserError


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


class MaskFiles:
    """Image and mask files, decoded on access.

    Parameters
    ----------
    pairs
        (image file, mask file).
    class_of_id
        Table of 256 entries from the mask's stored value to the class, the ignore label for none.
    """

    def __init__(self, pairs: Sequence[tuple[Path, Path]], class_of_id: np.ndarray | None = None) -> None:
        self.pairs = pairs
        self._class_of_id = class_of_id

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image_file, mask_file = self.pairs[index]
        meaning = b"" if self._class_of_id is None else self._class_of_id.tobytes()
        planes = torch.from_numpy(
            kept((image_file, mask_file), meaning, lambda: self._decode(image_file, mask_file))
        )
        return planes[:3], planes[3]

    def _decode(self, image_file: Path, mask_file: Path) -> np.ndarray:
        """Return image and mask as four planes (4, H, W)."""
        image, mask = decode(image_file, "RGB"), decode(mask_file, "L")
        if image.shape[:2] != mask.shape:
            raise UserError(
                f"{image_file} has {image.shape[0]}x{image.shape[1]} pixels, its mask {mask_file} "
                f"{mask.shape[0]}x{mask.shape[1]}",
                "unpack the data set again: they do not belong together",
            )
        if self._class_of_id is not None:
            mask = self._class_of_id[mask]
        return np.concatenate([image.transpose(2, 0, 1), mask[None]]).astype(np.uint8, copy=False)


def class_table(ids: Sequence[int], ignore_index: int) -> np.ndarray:
    """Return the table from a mask's stored values to classes: `ids` are numbered in their order, others ignored."""
    classes = np.full(256, ignore_index, np.uint8)
    classes[list(ids)] = np.arange(len(ids))
    return classes


def decode(file: Path, mode: str, cure: str = "unpack the data set again") -> np.ndarray:
    """Decode an image file: (H, W, 3) for mode RGB, the stored values (H, W) for mode L.

    Raises
    ------
    UserError
        If the file is missing, damaged or no image.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            # A palette image holds class ids; converting it to gray levels would lose them.
            keep = mode == "L" and image.mode in ("L", "P")
            return np.array(image if keep else image.convert(mode))
    except (OSError, SyntaxError) as error:  # Pillow calls a broken PNG a syntax error
        raise UserError(f"{file} cannot be read as an image ({error})", cure) from error


def as_image(pixels: np.ndarray) -> Tensor:
    """Turn (H, W, 3) uint8 into a contiguous (3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def pair_files(
    image_folder: Path, pattern: str, mask_of_image: Callable[[Path], Path]
) -> list[tuple[Path, Path]]:
    """Return the sorted images of a folder with their masks; `UserError` names what is missing."""
    images = sorted(image_folder.glob(pattern))
    if not images:
        raise UserError(f"{image_folder} holds no {pattern}", "unpack the images of the data set again")
    pairs = [(image, mask_of_image(image)) for image in images]
    without = [(image, mask) for image, mask in pairs if not mask.is_file()]
    if without:
        image, mask = without[0]
        raise UserError(
            f"{image} has no mask at {mask}, and so {len(without)} of {len(images)} images",
            "unpack the masks of the data set again",
        )
    return pairs
