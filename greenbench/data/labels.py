"""Batches of labeled images: whole-batch augmentation of images that stay in memory as bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from greenbench.data.augmentation import Augmentation, augment
from greenbench.data.evaluated import evaluated_indices
from greenbench.data.images import ResidentImages
from greenbench.data.metrics import Accuracy
from greenbench.data.normalization import Normalization
from greenbench.spec.workload import Split

EVALUATION_BATCH = 256


class LabelData:
    """Images with labels, in memory on the device that trains (see `greenbench.spec.workload.Data`).

    Parameters
    ----------
    train, validation
        Images of one size.
    augmentation
        Of training images.
    normalization
        Of pixel values, by channel.
    version
        What tells this copy of the data from another.
    device
        Where the batches are needed.
    """

    def __init__(
        self,
        train: ResidentImages,
        validation: ResidentImages,
        *,
        augmentation: Augmentation,
        normalization: Normalization,
        version: str,
        device: torch.device,
    ) -> None:
        self.version = version
        self._splits: dict[Split, ResidentImages] = {
            "train": train.to(device),
            "validation": validation.to(device),
        }
        self._augmentation = augmentation
        self._normalize = normalization.on(device)

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
