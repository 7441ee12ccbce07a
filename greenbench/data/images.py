"""Images with their targets: in memory as one tensor, or decoded from files when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from greenbench.data.augmentation import resize
from greenbench.data.cache import kept
from greenbench.data.decoding import Size, decode_image, decode_mask
from greenbench.data.mask_ids import MaskIds
from greenbench.errors import DataError

CHECKED_MASKS = 16
"""Of each split, before training."""

VERSION = b"2"
"""Of what is made of files, so that what an older decoder kept is decoded anew."""


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

    thread_safe = True

    def __init__(self, images: Tensor, targets: Tensor) -> None:
        if len(images) != len(targets):
            raise ValueError(f"{len(images)} images have {len(targets)} targets; they must be as many")
        self.images = images
        self.targets = targets

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.targets[index]

    @property
    def names(self) -> list[str]:
        """Places of the images in their file."""
        return [str(index) for index in range(len(self))]

    @property
    def labels(self) -> list[int] | None:
        """Labels, or None where the targets are masks."""
        return self.targets.tolist() if self.targets.ndim == 1 else None

    def chosen(self, indices: Sequence[int]) -> ResidentImages:
        """Return some of the images."""
        places = torch.tensor(indices, dtype=torch.long, device=self.images.device)
        return ResidentImages(self.images[places], self.targets[places])

    def resident(self) -> ResidentImages:
        """Return itself: it is in memory."""
        return self

    def check(self) -> None:
        """Do nothing: what is in memory was decoded."""

    def resized(self, size: Size) -> ResidentImages:
        """Return the images at another size, with their targets as they are."""
        return ResidentImages(resize(self.images, size), self.targets)

    def to(self, device: torch.device) -> ResidentImages:
        """Return the same images on `device`."""
        return ResidentImages(self.images.to(device), self.targets.to(device))


class LabelFiles:
    """Image files of one size with labels, decoded on access.

    Parameters
    ----------
    files
        (image file, label).
    size
        That each must have.
    cure
        What to do about one that cannot be used.
    """

    thread_safe = True

    def __init__(self, files: Sequence[tuple[Path, int]], size: Size, cure: str) -> None:
        self.files = files
        self._size, self._cure = size, cure

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        file, label = self.files[index]
        return as_image(decode_image(file, self._size, self._cure)), torch.tensor(label)

    @property
    def names(self) -> list[str]:
        """Names of the files, without the kind of file, of which copies have several."""
        return [file.stem.lower() for file, _ in self.files]

    @property
    def labels(self) -> list[int]:
        """The label of each file."""
        return [label for _, label in self.files]

    def chosen(self, indices: Sequence[int]) -> LabelFiles:
        """Return some of the files."""
        return LabelFiles([self.files[index] for index in indices], self._size, self._cure)

    def resident(self) -> ResidentImages:
        """Return all of them in memory; from the cache where they were decoded before."""

        def decoded() -> np.ndarray:
            with ThreadPoolExecutor() as pool:
                return torch.stack(list(pool.map(lambda index: self[index][0], range(len(self))))).numpy()

        files, labels = zip(*self.files, strict=True)
        return ResidentImages(torch.from_numpy(kept(files, VERSION, decoded)), torch.tensor(labels))


class MaskFiles:
    """Image and mask files, decoded on access.

    Parameters
    ----------
    pairs
        (image file, mask file).
    ids
        What the masks store; None for labels as they are.
    """

    thread_safe = True

    def __init__(self, pairs: Sequence[tuple[Path, Path]], ids: MaskIds | None = None) -> None:
        self.pairs = pairs
        self._ids = ids

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image_file, mask_file = self.pairs[index]
        meaning = VERSION if self._ids is None else VERSION + self._ids.meaning()
        planes = torch.from_numpy(
            kept((image_file, mask_file), meaning, lambda: self._decode(image_file, mask_file))
        )
        return planes[:3], planes[3]

    @property
    def names(self) -> list[str]:
        """Names of the image files, without the kind of file, of which copies have several."""
        return [image.stem.lower() for image, _ in self.pairs]

    @property
    def labels(self) -> None:
        """None: an image has many classes."""
        return None

    def chosen(self, indices: Sequence[int]) -> MaskFiles:
        """Return some of the files."""
        return MaskFiles([self.pairs[index] for index in indices], self._ids)

    def decode(self, index: int) -> tuple[Tensor, Tensor]:
        """As by index, from the files themselves and never from the cache."""
        planes = torch.from_numpy(self._decode(*self.pairs[index]))
        return planes[:3], planes[3]

    def check(self) -> None:
        """Decode some masks, evenly spaced, so that those of another kind are refused before training.

        Raises
        ------
        DataError
            Naming the first file that is wrong.
        """
        if self._ids is None:
            return
        count = min(CHECKED_MASKS, len(self))
        files = [self.pairs[number * len(self) // count][1] for number in range(count)]
        seen: set[int] = set()
        for file in files:
            ids = decode_mask(file)
            self._ids.labels(ids, file)
            seen.update(np.unique(ids).tolist())
        self._ids.check_together(seen, files)

    def _decode(self, image_file: Path, mask_file: Path) -> np.ndarray:
        """Return image and mask as four planes (4, H, W)."""
        image, mask = decode_image(image_file), decode_mask(mask_file)
        if image.shape[:2] != mask.shape:
            raise DataError(
                f"{image_file} has {image.shape[0]}x{image.shape[1]} pixels, its mask {mask_file} "
                f"{mask.shape[0]}x{mask.shape[1]}",
                "unpack the data set again: they do not belong together",
            )
        if self._ids is not None:
            mask = self._ids.labels(mask, mask_file)
        return np.concatenate([image.transpose(2, 0, 1), mask[None]]).astype(np.uint8, copy=False)


def as_image(pixels: np.ndarray) -> Tensor:
    """Turn (H, W, 3) uint8 into a contiguous (3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
