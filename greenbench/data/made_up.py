"""Random images of a workload's size, where its own are not there: what a training costs hardly depends on what they show."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from greenbench.data.evaluated import evaluated_indices
from greenbench.data.loading import steps_per_epoch
from greenbench.data.metrics import Accuracy, MeanIoU
from greenbench.data.normalization import Normalization
from greenbench.spec.recipe import Size, scaled_size
from greenbench.spec.workload import Score, Split

LABELED_BATCH = 256
"""Images with a label that are evaluated at once; those with a mask one by one, as files of any size are."""

VERSION = "random images"


class RandomImages:
    """Batches of random images (see `greenbench.spec.workload.Data`), made once: neither decoded nor augmented.

    Parameters
    ----------
    counts
        Images of training and of validation.
    size
        Height and width of a training image.
    whole
        Those of an evaluated image.
    num_classes
        Labels are below it.
    masks
        Whether a target is a mask (H, W), and not a label ().
    ignore_index
        Label of pixels that do not count, or None.
    device
        Where the batches are needed.
    """

    version = VERSION

    def __init__(
        self,
        counts: tuple[int, int],
        *,
        size: Size,
        whole: Size,
        num_classes: int,
        masks: bool,
        ignore_index: int | None,
        device: torch.device,
    ) -> None:
        self._counts: dict[Split, int] = dict(zip(("train", "validation"), counts, strict=True))
        self._size, self._whole, self._masks = size, whole, masks
        self._num_classes, self._ignore_index = num_classes, ignore_index
        self._device = device
        self._made: dict[tuple[int, Size], tuple[Tensor, Tensor]] = {}
        self.normalize = Normalization().on(device)

    def size(self, split: Split) -> int:
        """Return the number of images of a split."""
        return self._counts[split]

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of batches in one epoch: whole ones alone where targets are masks, as in `MaskData`."""
        images = self.size("train")
        return max(1, images // batch_size) if self._masks else steps_per_epoch(images, batch_size)

    def training_batches(
        self, batch_size: int, size_factor: float, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one epoch of batches; the same images again and again."""
        images, targets = self._batch(batch_size, scaled_size(self._size, size_factor))
        left = self.size("train")
        for _ in range(self.steps_per_epoch(batch_size)):
            yield images[:left], targets[:left]
            left -= batch_size

    def evaluation_batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the evaluated images of a split."""
        left = len(evaluated_indices(self, split))
        images, targets = self._batch(1 if self._masks else LABELED_BATCH, self._whole)
        while left > 0:
            yield images[:left], targets[:left]
            left -= len(images)

    def score(self) -> Score:
        """Return a fresh score, as expensive as that of the real images."""
        if not self._masks:
            return Accuracy()
        return MeanIoU(
            self._num_classes, self._num_classes if self._ignore_index is None else self._ignore_index
        )

    def _batch(self, count: int, size: Size) -> tuple[Tensor, Tensor]:
        if (count, size) not in self._made:
            generator = torch.Generator().manual_seed(count)
            images = torch.randint(0, 256, (count, 3, *size), generator=generator, dtype=torch.uint8)
            shape = (count, *size) if self._masks else (count,)
            targets = torch.randint(0, self._num_classes, shape, generator=generator)
            self._made[count, size] = images.to(self._device), targets.to(self._device)
        return self._made[count, size]
