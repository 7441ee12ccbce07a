"""Batches of images with masks, in memory or decoded by worker processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.context import BaseContext

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from greenbench.data.evaluated import evaluated_indices
from greenbench.data.images import Images, ResidentImages
from greenbench.data.metrics import MeanIoU
from greenbench.data.normalization import Normalization
from greenbench.data.views import View, random_view
from greenbench.spec.recipe import Size, scaled_size
from greenbench.spec.workload import Split

RESIDENT_EVALUATION_BATCH = 40
MAX_WORKERS = 8


def _usable_cpus() -> int:
    """Return how many CPUs this process may use, which in a container is fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worker_context() -> BaseContext | None:
    """Return how to start the processes that decode files; None for the platform's own way.

    A fork of this process would copy the locks of its threads (the energy meter's, CUDA's) in whatever state
    they are, and Python 3.12 warns of it. A server without threads is forked instead.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "greenbench.data.images"])
    return context


class _Views:
    """Random views by (index, seed): the seed travels with the index, so workers change nothing."""

    def __init__(self, images: Images, crop: Size, view: View, size_factor: float) -> None:
        self._images, self._crop, self._view, self._size_factor = images, crop, view, size_factor

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        index, seed = key
        image, mask = self._images[index]
        return random_view(image, mask, self._crop, self._view, self._size_factor, seed)


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
        self._workers = 0 if self._resident else min(MAX_WORKERS, _usable_cpus())
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
        count = self.size("train")
        order = torch.randperm(count, generator=generator).tolist()
        seeds = torch.randint(2**62, (count,), generator=generator).tolist()
        keys = list(zip(order, seeds, strict=True))[: self.steps_per_epoch(batch_size) * batch_size]
        crop = scaled_size(self._crop, size_factor)
        views = _Views(self._splits["train"], crop, self._view, size_factor)
        # A loader without a generator of its own draws from torch's, as techniques do. A run that reads its epoch
        # again, to resume in the middle of it, would then go on with other draws.
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            views,  # type: ignore[arg-type]  # a map from keys, which torch supports but does not type
            batch_size=batch_size,
            sampler=keys,
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            multiprocessing_context=_worker_context() if self._workers else None,
            generator=torch.Generator(),
        )
        for images, masks in loader:
            yield self._normalize(images), masks.to(self._device, non_blocking=True).long()

    def evaluation_batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the evaluated images of a split at their own resolution, normalized and not augmented."""
        batch_size = RESIDENT_EVALUATION_BATCH if self._resident else 1
        chosen: Subset[tuple[Tensor, Tensor]] = Subset(self._splits[split], evaluated_indices(self, split))  # type: ignore[arg-type]
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            chosen,
            batch_size=batch_size,
            num_workers=self._workers,
            multiprocessing_context=_worker_context() if self._workers else None,
            generator=torch.Generator(),
        )
        for images, masks in loader:
            yield self._normalize(images), masks.to(self._device)

    def score(self) -> MeanIoU:
        """Return a fresh mean IoU."""
        return MeanIoU(self._num_classes, self._view.ignore_index)

    def _normalize(self, images: Tensor) -> Tensor:
        return self._normalize_on_device(images.to(self._device, non_blocking=True))
