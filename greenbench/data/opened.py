"""What a workload's function returned: checked, and asked for data, network, number of classes and image size."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Subset, TensorDataset, default_collate

from greenbench.data.augmentation import Augmentation
from greenbench.data.images import ResidentImages
from greenbench.data.labels import LabelData
from greenbench.data.loading import workers_for
from greenbench.data.metrics import Accuracy, MeanIoU, OwnScore
from greenbench.data.normalization import Normalization
from greenbench.data.options import Options
from greenbench.data.returned import checked
from greenbench.data.samples import Collate, Reader, Samples, classes_of, digest, labels_of
from greenbench.data.streamed import StreamedData
from greenbench.data.structures import map_leaves
from greenbench.errors import UserError
from greenbench.spec.fields import takes
from greenbench.spec.recipe import Batch, Size
from greenbench.spec.setting import SPLITS, Setting, Split
from greenbench.spec.workload import ACCURACY, MIOU, Data, Score

DIGESTED_SAMPLES = 8
"""Of each split, evenly spaced: what tells one version of the data from another."""

LABELS_WITHIN_S = 60.0
"""How long it may take to read all samples for their labels."""

CLASSES_CURE = "state num_classes="


class Opened:
    """Data sets and network of one workload, below one data root.

    Parameters
    ----------
    returned
        What the function returned: ``(train, validation)``, with a network factory where the options have none.
    options
        Of the decorator.

    Raises
    ------
    UserError
        If it is something else.
    """

    def __init__(self, returned: Any, options: Options) -> None:
        self.options = options
        self._what = f"workload {options.name!r}"
        train, validation, self._factory = checked(returned, self._what, options)
        collate: Collate = options.collate or default_collate
        self._readers: dict[Split, Reader] = {
            "train": Reader(train, "train", collate),
            "validation": Reader(validation, "validation", collate),
        }

    def data(
        self,
        device: torch.device,
        setting: Setting | None = None,
        official: Mapping[Split, int | None] = MappingProxyType({}),
    ) -> Data:
        """Return the batches that a setting asks for, on the device that trains."""
        resident = [_resident(reader.samples) for reader in self._readers.values()]
        if resident[0] is not None and resident[1] is not None and self.options.collate is None:
            return LabelData(
                resident[0],
                resident[1],
                augmentation=self._augmentation or Augmentation(),
                normalization=self.options.normalization or Normalization(),
                version=self.version,
                device=device,
                score=self.score,
            ).at(setting, official)
        workers = workers_for(self._readers["train"], self._epoch_s)
        return self._streamed(device, self.options.evaluation_batch, workers).at(setting, official)

    def samples(self, split: Split) -> Samples:
        """Return input and target of each sample, read when it is asked for."""
        reader = self._readers[split]
        return reader.samples if getattr(reader.samples, "thread_safe", False) else _Read(reader)

    def network(self, num_classes: int | None, setting: Setting, root: Path | None) -> nn.Module:
        """Return a new network, on the CPU.

        Raises
        ------
        UserError
            If it is none, or has fewer outputs than there are classes.
        """
        factory = self._factory
        network = factory() if takes(factory) else factory(num_classes or self.num_classes, setting, root)
        if not isinstance(network, nn.Module):
            raise UserError(
                f"{self._what}: its network's factory gives {type(network).__name__}, not a torch.nn.Module",
                "let it return the network",
            )
        if self.options.metric in (ACCURACY, MIOU):
            self._check_outputs(network)
        return network

    def example(self, batch_size: int, image_size: Size | None, generator: torch.Generator) -> Any:
        """Return inputs of a batch size: random values shaped as the data, and real samples where they are no numbers."""
        return example(self._streamed(torch.device("cpu"), batch_size), batch_size, image_size, generator)

    def score(self) -> Score:
        """Return a fresh score."""
        options = self.options
        if options.score is not None:
            return OwnScore(options.score, options.metric.name)
        if options.metric == MIOU and self.num_classes and options.ignore_index is not None:
            return MeanIoU(self.num_classes, options.ignore_index)
        return Accuracy()

    @cached_property
    def num_classes(self) -> int | None:
        """Number of classes: as stated, named by the data set, or the highest label and one."""
        options, train = self.options, self._readers["train"].samples
        count = options.num_classes or len(classes_of(train) or ()) or None
        if options.metric == ACCURACY:
            labels = {split: self._labels(split, count) for split in SPLITS}
            count = count or max(max(found, default=0) for found in labels.values()) + 1
            for split, found in labels.items():
                self._check_labels(split, found, count)
        elif options.metric == MIOU and count is None:
            raise UserError(f"{self._what}: its data do not say how many classes there are", CLASSES_CURE)
        elif options.metric == MIOU and count is not None and (options.ignore_index or 0) < count:
            raise UserError(
                f"{self._what}: ignore_index is {options.ignore_index}, the label of one of {count} classes",
                "give the pixels that do not count a label above all classes",
            )
        return count

    @cached_property
    def image_size(self) -> Size | None:
        """Height and width of a training image, as stated or found; None where inputs are no batches of images."""
        if self.options.image_size is not None:
            return self.options.image_size
        images, _ = self._batch_of_one
        return (images.shape[2], images.shape[3]) if _is_images(images) else None

    @cached_property
    def version(self) -> str:
        """Counts and a digest of some samples."""
        train, validation = (len(reader.samples) for reader in self._readers.values())
        return f"{train}+{validation} samples {digest([self._seen[split] for split in SPLITS])}"

    @property
    def _seen(self) -> dict[Split, list[tuple[Any, Any]]]:
        return self._look[0]

    @cached_property
    def _batch_of_one(self) -> Batch:
        return self._readers["train"]([(0, 0)])

    @property
    def _epoch_s(self) -> float:
        """Seconds that it takes to read all training samples here."""
        return self._look[1] * len(self._readers["train"].samples)

    @cached_property
    def _look(self) -> tuple[dict[Split, list[tuple[Any, Any]]], float]:
        """Some samples of each split, under seeds that never change, and the seconds that one of training takes."""
        seen: dict[Split, list[tuple[Any, Any]]] = {}
        seconds: dict[Split, float] = {}
        for split, reader in self._readers.items():
            count = len(reader.samples)
            some = min(DIGESTED_SAMPLES, count)
            reader.sample((0, 0))  # so that what is done once is not timed
            start = time.perf_counter()
            seen[split] = [reader.sample((number * count // some, 0)) for number in range(some)]
            seconds[split] = (time.perf_counter() - start) / some
            self._check_channels(seen[split][0][0])
        return seen, seconds["train"]

    @cached_property
    def _one_input(self) -> Any:
        return self.example(1, None, torch.Generator().manual_seed(0))

    def _streamed(self, device: torch.device, evaluation_batch: int, workers: int = 0) -> StreamedData:
        return StreamedData(
            self._readers,
            augmentation=self._augmentation,
            normalization=self.options.normalization or Normalization(),
            score=self.score,
            evaluation_batch=evaluation_batch,
            version=self.version,
            device=device,
            workers=workers,
        )

    @cached_property
    def _augmentation(self) -> Augmentation | None:
        """As stated, or what the training data bring."""
        stated = self.options.augmentation
        chosen = stated or getattr(self._readers["train"].samples, "augmentation", None)
        images, targets = self._batch_of_one
        if chosen is not None and not _is_images(images):
            raise UserError(f"{self._what}: augmentation= is for images", "leave it out")
        if chosen is not None and isinstance(targets, Tensor) and targets.ndim > 2:
            raise UserError(
                f"{self._what}: augmentation= would move the images and not their targets",
                "leave it out, and move both in the data set",
            )
        return chosen

    def _check_channels(self, image: Any) -> None:
        if not isinstance(image, Tensor) or image.dtype != torch.uint8 or image.ndim != 3:
            return
        normalization = self.options.normalization or Normalization()
        if len(image) != len(normalization.mean):
            raise UserError(
                f"{self._what}: its images have {len(image)} channels, and the normalization {len(normalization.mean)}",
                "give normalization=greenbench.Normalization(mean, std) with a number for each channel",
            )

    def _labels(self, split: Split, count: int | None) -> list[int]:
        """Return all labels of a split, where they are known or have to be."""
        reader = self._readers[split]
        known = labels_of(reader.samples)
        if known is not None or count is not None:
            return known or []
        if self._epoch_s > LABELS_WITHIN_S:
            raise UserError(f"{self._what}: its data do not say how many classes there are", CLASSES_CURE)
        labels = [reader.sample((index, index))[1] for index in range(len(reader.samples))]
        wrong = next((label for label in labels if not _is_label(label)), None)
        if wrong is not None:
            raise UserError(
                f"{self._what}: accuracy needs a whole number as the label of each sample, and there is {wrong!r}",
                "let the data set give whole numbers, or state another metric=",
            )
        return [int(label) for label in labels]

    def _check_labels(self, split: Split, labels: list[int], count: int) -> None:
        for index, label in enumerate(labels):
            if not 0 <= label < count:
                raise UserError(
                    f"{self._what}: sample {index} of the {split} data has the label {label}, and the {count} classes "
                    f"have the labels 0 to {count - 1}",
                    "number the classes from 0, or state num_classes=",
                )

    def _check_outputs(self, network: nn.Module) -> None:
        """Refuse a network with fewer outputs than classes, which on a GPU would end the whole run."""
        outputs = None
        training = network.training
        # What fails on the CPU, or is not told here, shows in training.
        with contextlib.suppress(Exception), torch.no_grad(), torch.random.fork_rng(devices=[]):
            outputs = network.eval()(self._one_input)
        network.train(training)
        if isinstance(outputs, Tensor) and outputs.ndim > 1 and outputs.shape[1] < (self.num_classes or 0):
            raise UserError(
                f"{self._what}: its network has {outputs.shape[1]} outputs, and there are {self.num_classes} classes",
                "build it with as many outputs as classes",
            )


class _Read:
    """What a reader gives, one by one."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __len__(self) -> int:
        return len(self._reader.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._reader.sample((index, 0))


def example(data: Data, batch_size: int, image_size: Size | None, generator: torch.Generator) -> Any:
    """Return inputs like those of some data, on the CPU: random where they are numbers, and else real ones repeated."""
    inputs = data.normalize(next(iter(data.evaluation_batches("validation")))[0])
    if isinstance(inputs, Tensor) and inputs.is_floating_point():
        shape = inputs.shape[1:]
        if image_size is not None and len(shape) == 3:
            shape = torch.Size((shape[0], *image_size))
        return torch.randn((batch_size, *shape), generator=generator)
    if isinstance(inputs, list):  # one entry for each sample, as detection has it
        return [inputs[number % len(inputs)] for number in range(batch_size)]

    def repeated(values: Any) -> Any:
        return values[torch.arange(batch_size) % len(values)] if isinstance(values, Tensor) else values

    return map_leaves(inputs, repeated)


def _is_images(inputs: Any) -> bool:
    return isinstance(inputs, Tensor) and inputs.ndim == 4


def _is_label(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.ndim == 0 and not value.is_floating_point()
    return isinstance(value, int | np.integer)


def _resident(samples: Any) -> ResidentImages | None:
    """Return images of bytes with labels that are in memory already, or None."""
    if isinstance(samples, Subset):
        whole = _resident(samples.dataset)
        chosen = torch.tensor(samples.indices, dtype=torch.long)
        return None if whole is None else ResidentImages(whole.images[chosen], whole.targets[chosen])
    if type(samples) is not TensorDataset or len(samples.tensors) != 2:
        return None
    images, labels = samples.tensors
    is_labeled = labels.ndim == 1 and not labels.is_floating_point()
    is_resident = images.dtype == torch.uint8 and images.ndim == 4 and is_labeled
    return ResidentImages(images, labels.long()) if is_resident else None
