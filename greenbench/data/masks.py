"""Batches of images with masks, in memory or decoded by worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from greenbench.data.evaluated import evaluated_indices
from greenbench.data.images import Images, ResidentImages
from greenbench.data.loading import Key, Loaders, in_batches, shuffled_keys, usable_workers
from greenbench.data.metrics import MeanIoU
from greenbench.data.normalization import Normalization
from greenbench.data.views import View, random_view
from greenbench.spec.recipe import Size, scaled_size
from greenbench.spec.workload import Split

RESIDENT_EVALUATION_BATCH = 40


@dataclass(frozen=True)
class _Views:
    """Reads random views."""

    images: Images
    crop: Size
    view: View
    size_factor: float

    def __call__(self, keys: Sequence[Key]) -> tuple[Tensor, Tensor]:
        return _stacked(
            random_view(*self.images[index], self.crop, self.view, self.size_factor, seed)
            for index, seed in keys
        )


@dataclass(frozen=True)
class _Whole:
    """Reads images as they are."""

    images: Images

    def __call__(self, keys: Sequence[Key]) -> tuple[Tensor, Tensor]:
        return _stacked(self.images[index] for index, _ in keys)


def _stacked(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images, masks = zip(*pairs, strict=True)
    return torch.stack(images), torch.stack(masks)


class MaskData:
    """Images with masks (see `greenbench.spec.workload.Data`).

    Parameters
    ----------
    train, validation
        Images with masks of labels.
    crop
        Size of a training image.
    view
        How training images are drawn; its `ignore_index` is that of the masks.
    num_classes
        Labels that count are below it.
    normalization, version, device
        As for `greenbench.data.labels.LabelData`.
    """

    def __init__(
        self,
        train: Images,
        validation: Images,
        *,
        crop: Size,
        view: View,
        num_classes: int,
        normalization: Normalization,
        version: str,
        device: torch.device,
    ) -> None:
        self.version = version
        self._splits: dict[Split, Images] = {"train": train, "validation": validation}
        self._crop, self._view, self._num_classes, self._device = crop, view, num_classes, device
        self._resident = isinstance(train, ResidentImages)
        # Decoding files takes longer than the network; what is in memory needs no worker.
        self._loaders = Loaders(0 if self._resident else usable_workers(), device)
        self._normalize_on_device = normalization.on(device)

    def size(self, split: Split) -> int:
        """Return the number of images of a split."""
        return len(self._splits[split])

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of whole batches in one epoch, at least 1."""
        return max(1, self.size("train") // batch_size)

    def training_batches(
        self, batch_size: int, size_factor: float, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch of shuffled random views, the incomplete last batch left out.

        A batch of one image would break the norms over 1x1 maps that BiSeNet has.
        """
        keys = shuffled_keys(self.size("train"), generator)
        batches = in_batches(keys, batch_size)[: self.steps_per_epoch(batch_size)]
        crop = scaled_size(self._crop, size_factor)
        views = _Views(self._splits["train"], crop, self._view, size_factor)
        for images, masks in self._loaders.load(views, batches):
            yield images.to(self._device, non_blocking=True), masks.to(self._device, non_blocking=True).long()

    def evaluation_batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the evaluated images of a split at their own resolution, not augmented."""
        keys = [(index, index) for index in evaluated_indices(self, split)]
        batches = in_batches(keys, RESIDENT_EVALUATION_BATCH if self._resident else 1)
        for images, masks in self._loaders.load(_Whole(self._splits[split]), batches):
            yield images.to(self._device, non_blocking=True), masks.to(self._device, non_blocking=True)

    def normalize(self, inputs: Tensor) -> Tensor:
        """Return images (N, 3, H, W) uint8 as float32."""
        return self._normalize_on_device(inputs)

    def score(self) -> MeanIoU:
        """Return a fresh mean IoU."""
        return MeanIoU(self._num_classes, self._view.ignore_index)
