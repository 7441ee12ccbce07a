"""Batches of labeled images: whole-batch augmentation of images that stay in memory as bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from greenbench.data.augmentation import Augmentation, augment, resize
from greenbench.data.evaluated import evaluated_indices
from greenbench.data.images import LabelFiles, ResidentImages
from greenbench.data.loading import draw_order, steps_per_epoch
from greenbench.data.metrics import Accuracy
from greenbench.data.normalization import Normalization
from greenbench.data.subset import divide
from greenbench.data.transfer import send
from greenbench.spec.recipe import scaled_size
from greenbench.spec.setting import Drawn, Setting, Split
from greenbench.spec.workload import Score

EVALUATION_BATCH = 256

LabeledImages = ResidentImages | LabelFiles


class LabelData:
    """Images with labels, in memory on the device that trains (see `greenbench.spec.workload.Data`).

    Parameters
    ----------
    train, validation
        Images of one size; files are decoded when they are first needed.
    augmentation
        Of training images.
    normalization
        Of pixel values, by channel.
    version
        What tells this copy of the data from another.
    device
        Where the batches are needed.
    score
        Makes a fresh score.
    drawn
        Which part of a data set these images are; None for all.
    """

    def __init__(
        self,
        train: LabeledImages,
        validation: LabeledImages,
        *,
        augmentation: Augmentation,
        normalization: Normalization,
        version: str,
        device: torch.device,
        score: Callable[[], Score] = Accuracy,
        drawn: Drawn | None = None,
    ) -> None:
        self.version, self.score, self.drawn = version, score, drawn
        self._sources: dict[Split, LabeledImages] = {"train": train, "validation": validation}
        self._augmentation, self._normalization, self._device = augmentation, normalization, device
        self._normalize_on_device = normalization.on(device)

    def at(self, setting: Setting | None, official: Mapping[Split, int | None]) -> LabelData:
        """Return what a setting asks for, decoded; None asks for all. See `greenbench.data.subset.divide`."""
        size = None if setting is None else setting.image_size
        chosen, drawn = divide(self._sources, None if setting is None else setting.subset, official)
        splits: dict[Split, ResidentImages] = {split: images.resident() for split, images in chosen.items()}
        augmentation = self._augmentation
        if size is not None:
            ratio = min(size) / min(splits["train"].images.shape[-2:])
            augmentation = replace(augmentation, padding=round(ratio * augmentation.padding))
            splits = {split: images.resized(size) for split, images in splits.items()}
        data = LabelData(
            splits["train"],
            splits["validation"],
            augmentation=augmentation,
            normalization=self._normalization,
            version=self.version,
            device=self._device,
            score=self.score,
            drawn=drawn,
        )
        data._splits  # noqa: B018  # on the device before anything is measured
        return data

    @cached_property
    def _splits(self) -> dict[Split, ResidentImages]:
        return {split: images.resident().to(self._device) for split, images in self._sources.items()}

    def size(self, split: Split) -> int:
        """Return the number of images of a split."""
        return len(self._sources[split])

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of batches in one epoch; the last one may be smaller, but not of a single image."""
        return steps_per_epoch(self.size("train"), batch_size)

    def training_batches(
        self, batch_size: int, size_factor: float, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch of shuffled, augmented batches, of lower resolution for a `size_factor` below 1."""
        train = self._splits["train"]
        order = send(draw_order(len(train), generator), train.images.device)
        for chosen in torch.split(order, batch_size)[: self.steps_per_epoch(batch_size)]:
            # Not by brackets, which pick byte by byte.
            images = augment(train.images.index_select(0, chosen), self._augmentation, generator)
            height, width = images.shape[-2:]
            yield resize(images, scaled_size((height, width), size_factor)), train.targets[chosen]

    def evaluation_batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the evaluated images of a split, not augmented."""
        images = self._splits[split]
        indices = send(torch.tensor(evaluated_indices(self, split)), images.images.device)
        for chosen in torch.split(indices, EVALUATION_BATCH):
            yield images.images.index_select(0, chosen), images.targets[chosen]

    def normalize(self, inputs: Tensor) -> Tensor:
        """Return images (N, 3, H, W) uint8 as float32."""
        return self._normalize_on_device(inputs)
