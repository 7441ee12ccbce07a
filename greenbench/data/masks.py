"""Batches for segmentation: random rescale, crop, flip and color jitter of image and mask together."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from multiprocessing.context import BaseContext

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from greenbench.datasets import IGNORE_INDEX, Dataset, Splits
from greenbench.data.images import Images, ResidentImages
from greenbench.recipe import scaled_size
from greenbench.tasks import Split, evaluated_indices
from greenbench.data.metrics import MeanIoU
from greenbench.tasks.segmentation import SETTINGS, Setting

RESIDENT_EVALUATION_BATCH = 40
MAX_WORKERS = 8
FLIP_PROBABILITY = 0.5


def random_view(
    image: Tensor, mask: Tensor, crop: tuple[int, int], setting: Setting, size_factor: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Return a random view of one image and the same view of its mask.

    The short side becomes ``base_size`` times a random factor (and times `size_factor`), then a window
    of size `crop` is taken. Only the window's own pixels are resampled, which is the same picture for a
    fraction of the work. Masks are resampled with nearest-exact: plain nearest moves labels by half a
    pixel against the image.

    Parameters
    ----------
    image, mask
        (3, H, W) uint8 and (H, W) uint8.
    crop
        Height and width of the result; where the image ends before it, the result is padded with the
        ignore label.
    """
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(7, generator=generator).tolist()
    low, high = setting.scale_range
    height, width = mask.shape
    ratio = setting.base_size * size_factor * (low + (high - low) * draw[0]) / min(height, width)

    window = [min(side, round(length / ratio)) for side, length in zip((height, width), crop, strict=True)]
    top, left = (
        round(draw[1 + i] * (side - span))
        for i, (side, span) in enumerate(zip((height, width), window, strict=True))
    )
    image = image[:, top : top + window[0], left : left + window[1]]
    mask = mask[top : top + window[0], left : left + window[1]]

    # Only where the whole rescaled image ends before the crop does, is the result padded.
    size = [min(length, round(side * ratio)) for side, length in zip((height, width), crop, strict=True)]
    if size != window:
        image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0]
        mask = F.interpolate(mask[None, None], size=size, mode="nearest-exact")[0, 0]
    if draw[3] < FLIP_PROBABILITY:
        image, mask = image.flip(-1), mask.flip(-1)
    if setting.color_jitter:
        image = _jitter(image, [1 + setting.color_jitter * (2 * d - 1) for d in draw[4:]])
    missing = (0, crop[1] - size[1], 0, crop[0] - size[0])
    if any(missing):
        image, mask = F.pad(image, missing), F.pad(mask, missing, value=IGNORE_INDEX)
    return image, mask


def _jitter(image: Tensor, factors: list[float]) -> Tensor:
    """Change brightness, contrast and saturation by the three factors."""
    from torchvision.transforms import functional

    image = functional.adjust_brightness(image, factors[0])
    image = functional.adjust_contrast(image, factors[1])
    jittered: Tensor = functional.adjust_saturation(image, factors[2])
    return jittered


def _usable_cpus() -> int:
    """Return how many CPUs this process may use, which in a container is fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worker_context() -> BaseContext | None:
    """Return how to start the processes that decode files; None for the platform's own way.

    A fork of this process would copy the locks of its threads (the energy meter's, CUDA's) in whatever
    state they are; from Python 3.12 on it draws a warning. A server without threads is forked instead.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "greenbench.data.images"])
    return context


class _Views:
    """Random views by (index, seed): the seed travels with the index, so workers change nothing."""

    def __init__(self, images: Images, crop: tuple[int, int], setting: Setting, size_factor: float) -> None:
        self._images, self._crop, self._setting, self._size_factor = images, crop, setting, size_factor

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        index, seed = key
        image, mask = self._images[index]
        return random_view(image, mask, self._crop, self._setting, self._size_factor, seed)


class SegmentationData:
    """A segmentation data set (see `greenbench.tasks.TaskData`)."""

    metric = "miou"

    def __init__(self, dataset: Dataset, splits: Splits, device: torch.device) -> None:
        self.version = splits.version
        self._splits: dict[Split, Images] = {"train": splits.train, "heldout": splits.heldout}
        self._dataset = dataset
        self._device = device
        self._setting = SETTINGS[dataset.name]
        self._resident = isinstance(splits.train, ResidentImages)
        # Decoding files takes longer than the network; what is in memory needs no worker.
        self._workers = 0 if self._resident else min(MAX_WORKERS, _usable_cpus())
        self._scale = 1 / (255 * torch.tensor(dataset.std, device=device).view(1, 3, 1, 1))
        self._offset = -torch.tensor(dataset.mean, device=device).view(1, 3, 1, 1) * 255 * self._scale

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
        crop = scaled_size(self._dataset.image_size, size_factor)
        views = _Views(self._splits["train"], crop, self._setting, size_factor)
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            views,  # type: ignore[arg-type]  # a map from keys, which torch supports but does not type
            batch_size=batch_size,
            sampler=keys,
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            multiprocessing_context=_worker_context() if self._workers else None,
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
        )
        for images, masks in loader:
            yield self._normalize(images), masks.to(self._device)

    def score(self) -> MeanIoU:
        """Return a fresh mean IoU."""
        return MeanIoU(self._dataset.classes, IGNORE_INDEX)

    def _normalize(self, images: Tensor) -> Tensor:
        images = images.to(self._device, non_blocking=True)
        return torch.addcmul(self._offset, images.float(), self._scale)
