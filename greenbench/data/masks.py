"""Batches of images with masks, in memory or decoded by worker processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from greenbench.data.evaluated import evaluated_indices
from greenbench.data.images import Images, ResidentImages
from greenbench.data.loading import Key, Loaders, in_batches, shuffled_keys, usable_workers
from greenbench.data.metrics import MeanIoU
from greenbench.data.normalization import Normalization
from greenbench.data.subset import divide
from greenbench.data.transfer import Sender
from greenbench.data.views import View, random_view, whole_view
from greenbench.spec.recipe import Size, scaled_size
from greenbench.spec.setting import Drawn, Setting, Split

RESIDENT_EVALUATION_BATCH = 40

EVALUATION_PIXELS = 2**22
"""Of images of one size that a GPU evaluates together. A CPU evaluates files one by one: their maps fit its caches."""

WAITING_IMAGES = 64
"""That are held at most until others of their sizes come."""


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
    """Reads images as they are, or with a short side of so many pixels."""

    images: Images
    short_side: int | None

    def __call__(self, keys: Sequence[Key]) -> tuple[Tensor, Tensor]:
        pairs = (self.images[index] for index, _ in keys)
        return _stacked(
            pairs if self.short_side is None else (whole_view(*pair, self.short_side) for pair in pairs)
        )


def _stacked(pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images, masks = zip(*pairs, strict=True)
    return torch.stack(images), torch.stack(masks)


def by_size(batches: Iterable[tuple[Tensor, Tensor]], pixels: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Put batches (N, 3, H, W) and (N, H, W) of one size together, up to so many pixels; at least one at a time.

    Those whose size is rare come as soon as `WAITING_IMAGES` wait for others.
    """
    waiting: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
    for images, masks in batches:
        size = masks.shape[1:]
        alike = waiting.setdefault(size, [])
        alike.append((images, masks))
        if len(alike) * size.numel() > pixels - size.numel():
            yield _joined(waiting.pop(size))
        elif sum(map(len, waiting.values())) >= WAITING_IMAGES:
            yield _joined(waiting.pop(next(iter(waiting))))
    yield from map(_joined, waiting.values())


def _joined(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    if len(pairs) == 1:
        return pairs[0]
    images, masks = zip(*pairs, strict=True)
    return torch.cat(images), torch.cat(masks)


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
    normalization, version, device, drawn
        As for `greenbench.data.labels.LabelData`.
    evaluated_side
        Short side of the images and masks that are evaluated; None evaluates them at their own sizes.
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
        evaluated_side: int | None = None,
        drawn: Drawn | None = None,
    ) -> None:
        self.version, self.drawn = version, drawn
        self._splits: dict[Split, Images] = {"train": train, "validation": validation}
        self._crop, self._view, self._num_classes, self._device = crop, view, num_classes, device
        self._resident = isinstance(train, ResidentImages)
        # Decoding files takes longer than the network; what is in memory needs no worker.
        self._loaders = Loaders(0 if self._resident else usable_workers(), device)
        self._send = Sender(device)
        self._normalization, self._normalize_on_device = normalization, normalization.on(device)
        self._evaluated_side = evaluated_side

    def at(self, setting: Setting | None, official: Mapping[Split, int | None]) -> MaskData:
        """Return what a setting asks for, its masks checked; None asks for all. See `greenbench.data.subset.divide`.

        For a crop of another size, images are rescaled as much before they are cropped, and evaluated at that scale.
        """
        splits, drawn = divide(self._splits, None if setting is None else setting.subset, official)
        for images in splits.values():
            images.check()
        crop, view, evaluated_side = self._crop, self._view, self._evaluated_side
        if setting is not None and setting.image_size is not None:
            crop = setting.image_size
            evaluated_side = round(view.base_size * min(crop) / min(self._crop))
            view = replace(view, base_size=evaluated_side)
        return MaskData(
            splits["train"],
            splits["validation"],
            crop=crop,
            view=view,
            num_classes=self._num_classes,
            normalization=self._normalization,
            version=self.version,
            device=self._device,
            evaluated_side=evaluated_side,
            drawn=drawn,
        )

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
            images, masks = self._send((images, masks))
            yield images, masks.long()

    def evaluation_batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the evaluated images of a split, not augmented."""
        keys = [(index, index) for index in evaluated_indices(self, split)]
        batches = in_batches(keys, RESIDENT_EVALUATION_BATCH if self._resident else 1)
        read = self._loaders.load(_Whole(self._splits[split], self._evaluated_side), batches)
        yield from by_size(map(self._send, read), 0 if self._device.type == "cpu" else EVALUATION_PIXELS)

    def normalize(self, inputs: Tensor) -> Tensor:
        """Return images (N, 3, H, W) uint8 as float32."""
        return self._normalize_on_device(inputs)

    def score(self) -> MeanIoU:
        """Return a fresh mean IoU."""
        return MeanIoU(self._num_classes, self._view.ignore_index)
