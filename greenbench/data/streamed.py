"""Batches of any map-style data set, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from greenbench.data.augmentation import Augmentation, augment, resize
from greenbench.data.evaluated import evaluated_indices
from greenbench.data.loading import Loaders, in_batches, ordered_keys, steps_per_epoch
from greenbench.data.normalization import Normalization
from greenbench.data.samples import Reader
from greenbench.data.structures import map_tensors
from greenbench.data.subset import divide
from greenbench.data.transfer import Sender
from greenbench.errors import NotApplicable, UserError
from greenbench.spec.recipe import Batch, scaled_size
from greenbench.spec.setting import Drawn, Setting, Split
from greenbench.spec.workload import Score

_SMALL_WHOLE_NUMBERS = (torch.uint8, torch.int8, torch.int16, torch.int32)


class StreamedData:
    """Any samples (see `greenbench.spec.workload.Data`).

    Numbers of 64 bits become float32, and whole numbers of targets int64, which losses take as labels.

    Parameters
    ----------
    readers
        Of both splits.
    augmentation
        Of training images, or None.
    normalization
        Of images that are bytes; all else goes to the network as it is.
    score
        Makes a fresh score.
    evaluation_batch
        Samples in a batch that is evaluated.
    version, device
        As for `greenbench.data.labels.LabelData`.
    workers
        Processes that read.
    drawn
        As for `greenbench.data.labels.LabelData`.
    """

    def __init__(
        self,
        readers: Mapping[Split, Reader],
        *,
        augmentation: Augmentation | None,
        normalization: Normalization,
        score: Callable[[], Score],
        evaluation_batch: int,
        version: str,
        device: torch.device,
        workers: int = 0,
        drawn: Drawn | None = None,
    ) -> None:
        self.version, self.score, self.drawn = version, score, drawn
        self._readers, self._augmentation = readers, augmentation
        self._workers, self._loaders = workers, Loaders(workers, device)
        self._send = Sender(device)
        self._evaluation_batch, self._device = evaluation_batch, device
        self._normalization, self._normalize_on_device = normalization, normalization.on(device)

    def at(self, setting: Setting | None, official: Mapping[Split, int | None]) -> StreamedData:
        """Return what a setting asks for; None asks for all. See `greenbench.data.subset.divide`.

        Raises
        ------
        UserError
            For images of another size, which are the data set's to give.
        """
        if setting is None or (setting.subset is None and setting.image_size is None):
            return self
        if setting.image_size is not None:
            raise UserError(
                f"a setting has the image size {setting.image_size}, and these samples are read one by one",
                "resize them in the data set, and leave image_size out of the setting",
            )
        readers, drawn = divide(self._readers, setting.subset, official)
        return StreamedData(
            readers,
            augmentation=self._augmentation,
            normalization=self._normalization,
            score=self.score,
            evaluation_batch=self._evaluation_batch,
            version=self.version,
            device=self._device,
            workers=self._workers,
            drawn=drawn,
        )

    def size(self, split: Split) -> int:
        """Return the number of samples of a split."""
        return len(self._readers[split].samples)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of batches in one epoch; the last one may be smaller, but not of a single sample."""
        return steps_per_epoch(self.size("train"), batch_size)

    def training_batches(
        self, batch_size: int, size_factor: float, generator: torch.Generator
    ) -> Iterator[Batch]:
        """Yield one epoch of shuffled, augmented batches, of lower resolution for a `size_factor` below 1.

        Raises
        ------
        NotApplicable
            For lower resolution where inputs are no images, or targets might not fit them any more.
        """
        # Images in memory have no seeds: the same images, read one by one, give the same batches.
        keys = ordered_keys(self.size("train"), generator)
        batches = in_batches(keys, batch_size)[: self.steps_per_epoch(batch_size)]
        for inputs, targets in self._loaders.load(self._readers["train"], batches):
            moved = self._inputs(inputs)
            if self._augmentation is not None:
                moved = augment(moved, self._augmentation, generator)
            yield _lower_resolution(moved, self._targets(targets), size_factor)

    def evaluation_batches(self, split: Split) -> Iterator[Batch]:
        """Yield the evaluated samples of a split, not augmented."""
        keys = [(index, index) for index in evaluated_indices(self, split)]
        batches = in_batches(keys, self._evaluation_batch)
        for inputs, targets in self._loaders.load(self._readers[split], batches):
            yield self._inputs(inputs), self._targets(targets)

    def normalize(self, inputs: Any) -> Any:
        """Return images that are bytes as float32, and all else as it is."""
        return map_tensors(inputs, self._normalized)

    def _normalized(self, values: Tensor) -> Tensor:
        if values.dtype != torch.uint8 or values.ndim not in (3, 4):
            return values
        return self._normalize_on_device(values) if values.ndim == 4 else self._normalized(values[None])[0]

    def _inputs(self, inputs: Any) -> Any:
        return map_tensors(self._send(inputs), _not_double)

    def _targets(self, targets: Any) -> Any:
        def whole(values: Tensor) -> Tensor:
            values = _not_double(values)
            return values.long() if values.dtype in _SMALL_WHOLE_NUMBERS else values

        return map_tensors(self._send(targets), whole)


def _not_double(values: Tensor) -> Tensor:
    return values.float() if values.dtype == torch.float64 else values


def _lower_resolution(images: Any, targets: Any, factor: float) -> Batch:
    if factor == 1:
        return images, targets
    if not isinstance(images, Tensor) or images.ndim != 4:
        raise NotApplicable("training at lower resolution needs images (N, C, H, W)", "leave it out here")
    size = scaled_size((images.shape[-2], images.shape[-1]), factor)
    if isinstance(targets, Tensor) and targets.ndim < 3:
        return resize(images, size), targets
    if isinstance(targets, Tensor) and targets.ndim == 3 and targets.shape[-2:] == images.shape[-2:]:
        masks = F.interpolate(targets[:, None].float(), size, mode="nearest-exact")[:, 0]
        return resize(images, size), masks.to(targets.dtype)
    raise NotApplicable(
        "training at lower resolution needs targets that are labels or masks: these might not fit smaller images",
        "leave it out here",
    )
