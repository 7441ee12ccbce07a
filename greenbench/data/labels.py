"""Batches for classification: whole-batch augmentation of images that stay in memory as bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from greenbench.datasets import Dataset, Splits
from greenbench.data.images import ResidentImages
from greenbench.tasks import Split, evaluated_indices
from greenbench.data.metrics import Accuracy

EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Augmentation:
    """Random crop after zero padding, horizontal flip, and rotation.

    Attributes
    ----------
    padding
        Pixels of zeros on each side before cropping back to the image's size.
    flip
        Whether half of the images are mirrored.
    rotation_degrees
        Largest angle in either direction.
    """

    padding: int
    flip: bool
    rotation_degrees: float


AUGMENTATIONS = {
    "cifar100": Augmentation(padding=4, flip=True, rotation_degrees=15),
    "tiny_imagenet": Augmentation(padding=8, flip=True, rotation_degrees=0),
    # A mirrored digit is another shape, and the scans are centered and cut to their edges.
    "digits": Augmentation(padding=0, flip=False, rotation_degrees=8),
    "digits20": Augmentation(padding=0, flip=False, rotation_degrees=8),
}


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Augment a batch of images (N, 3, H, W) uint8 at once.

    Crop, flip and rotation only move pixels, so their product is one map from the pixels of the result to
    those of the source (nearest neighbor, zeros outside) and is applied as one gather.
    """
    batch, channels, height, width = images.shape
    padding = augmentation.padding
    shift = torch.randint(0, 2 * padding + 1, (2, batch, 1, 1), generator=generator)
    mirrored = torch.rand((batch, 1, 1), generator=generator) < (0.5 if augmentation.flip else 0.0)
    limit = math.radians(augmentation.rotation_degrees)
    angle = (torch.rand((batch, 1, 1), generator=generator) * 2 - 1) * limit
    # Into zeros instead of past the border: every crop then lies within.
    source = F.pad(images, [padding] * 4) if padding else images
    stride = width + 2 * padding
    start, sign, angle = (
        figures.to(images.device) for figures in (shift[0] * stride + shift[1], 1 - 2.0 * mirrored, angle)
    )

    # Walk from the result back to the source, in coordinates around the center: undo the rotation, then the
    # flip, then the crop. Columns and rows stay apart until they have to meet: a line costs next to nothing.
    row = torch.arange(height, device=images.device)[:, None] - (height - 1) / 2
    column = torch.arange(width, device=images.device)[None, :] - (width - 1) / 2
    inside = None
    if augmentation.rotation_degrees:
        sine, cosine = angle.sin(), angle.cos()
        row, column = column * sine + row * cosine, column * (cosine * sign) - row * (sine * sign)
        inside = (row.abs() < height / 2) & (column.abs() < width / 2)
    else:
        row, column = row.expand(batch, -1, -1), column * sign
    row, column = (row + height / 2).floor_(), (column + width / 2).floor_()
    place = (row.mul_(stride) + column.add_(start)).long()
    if inside is not None:
        place.clamp_(0, stride * (height + 2 * padding) - 1)
    moved = source.flatten(2).gather(2, place.view(batch, 1, -1).expand(-1, channels, -1)).view_as(images)
    return moved if inside is None else moved.mul_(inside[:, None])


class ClassificationData:
    """A classification data set on the device that trains on it (see `greenbench.tasks.TaskData`)."""

    metric = "accuracy"

    def __init__(self, dataset: Dataset, splits: Splits, device: torch.device) -> None:
        assert isinstance(splits.train, ResidentImages)
        assert isinstance(splits.heldout, ResidentImages)
        self.version = splits.version
        self._splits: dict[Split, ResidentImages] = {
            "train": splits.train.to(device),
            "heldout": splits.heldout.to(device),
        }
        self._augmentation = AUGMENTATIONS[dataset.name]
        self._scale = 1 / (255 * torch.tensor(dataset.std, device=device).view(1, 3, 1, 1))
        self._offset = -torch.tensor(dataset.mean, device=device).view(1, 3, 1, 1) * 255 * self._scale

    def size(self, split: Split) -> int:
        """Return the number of images of a split."""
        return len(self._splits[split])

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of batches in one epoch; the last one may be smaller."""
        return math.ceil(self.size("train") / batch_size)

    def training_batches(
        self, batch_size: int, size_factor: float, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch of shuffled, augmented, normalized batches.

        Raises
        ------
        ValueError
            If `size_factor` is not 1: images of 32 px are not made smaller (section 4.3 of the study).
        """
        if size_factor != 1:
            raise ValueError(f"classification images keep their size; got size factor {size_factor}")
        train = self._splits["train"]
        order = torch.randperm(len(train), generator=generator).to(train.images.device)
        for chosen in torch.split(order, batch_size):
            images = augment(train.images[chosen], self._augmentation, generator)
            yield self._normalize(images), train.targets[chosen]

    def evaluation_batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the evaluated images of a split, normalized and not augmented."""
        images = self._splits[split]
        indices = torch.tensor(evaluated_indices(self, split), device=images.images.device)
        for chosen in torch.split(indices, EVALUATION_BATCH):
            yield self._normalize(images.images[chosen]), images.targets[chosen]

    def score(self) -> Accuracy:
        """Return a fresh accuracy."""
        return Accuracy()

    def _normalize(self, images: Tensor) -> Tensor:
        return torch.addcmul(self._offset, images.float(), self._scale)
