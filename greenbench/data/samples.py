"""Samples of any map-style data set, one by one: read under a seed of their own, turned into tensors, put together."""

from __future__ import annotations

import hashlib
import random
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from greenbench.data.decoding import image_pixels
from greenbench.data.images import as_image
from greenbench.data.loading import Key
from greenbench.data.structures import map_leaves
from greenbench.errors import UserError
from greenbench.spec.recipe import Batch
from greenbench.spec.workload import Split

Collate = Callable[[list[tuple[Any, Any]]], Batch]
"""Makes a batch of (input, target) pairs."""


class Samples(Protocol):
    """Any map-style data set, such as a `torch.utils.data.Dataset`."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int) -> Any:
        """Return an (input, target) pair."""
        ...


@contextmanager
def seeds_put_back() -> Iterator[None]:
    """Let torch, NumPy and `random` be seeded inside, and go on as before after it."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def seed_all(seed: int) -> None:
    """Seed torch, NumPy and `random`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)  # and not the GPU's, which torch.manual_seed would set too


@dataclass(frozen=True)
class Reader:
    """Reads samples of one split.

    Attributes
    ----------
    samples
        The data set.
    split
        Which of the workload's it is.
    collate
        Makes a batch of pairs of tensors.
    """

    samples: Samples
    split: Split
    collate: Collate

    @property
    def names(self) -> list[str]:
        """Places of the samples in their data set."""
        return [str(index) for index in range(len(self.samples))]

    @property
    def labels(self) -> list[int] | None:
        """All labels where they are known without reading a sample, or None."""
        return labels_of(self.samples)

    def chosen(self, indices: Sequence[int]) -> Reader:
        """Return what reads some of the samples."""
        return replace(self, samples=Subset(self.samples, list(indices)))  # type: ignore[arg-type]

    def __call__(self, keys: Sequence[Key]) -> Batch:
        """Return the batch of some keys.

        Raises
        ------
        UserError
            If a sample cannot be read, or they do not make a batch.
        """
        with seeds_put_back():
            pairs = [self._pair(*key) for key in keys]
        try:
            inputs, targets = self.collate(pairs)
        except Exception as error:
            raise self._no_batch(keys, pairs, error) from error
        return inputs, targets

    def sample(self, key: Key) -> tuple[Any, Any]:
        """Return input and target of one key, images and arrays as tensors."""
        with seeds_put_back():
            return self._pair(*key)

    def _pair(self, index: int, seed: int) -> tuple[Any, Any]:
        file = _file_of(self.samples, index)
        where = f"sample {index} of the {self.split} data" + (f" ({file})" if file else "")
        seed_all(seed)
        try:
            pair = self.samples[index]
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise UserError(
                f"{where} cannot be read: {type(error).__name__}: {error} ({last.filename}, line {last.lineno})",
                "mend the data set that the workload returns",
            ) from error
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            what = (
                f"has {len(pair)} parts"
                if isinstance(pair, tuple | list)
                else f"is of type {type(pair).__name__}"
            )
            raise UserError(f"{where} {what}", "let the data set give (input, target) pairs")
        return map_leaves(pair[0], _input), map_leaves(pair[1], _target)

    def _no_batch(self, keys: Sequence[Key], pairs: list[tuple[Any, Any]], error: Exception) -> UserError:
        sizes = [list(value.shape) if isinstance(value, Tensor) else None for value, _ in pairs]
        for (index, _), size in zip(keys, sizes, strict=True):
            if size != sizes[0]:
                return UserError(
                    f"sample {index} of the {self.split} data has the size {_text(size)}, sample {keys[0][0]} has "
                    f"{_text(sizes[0])}; a batch is of one size",
                    "resize and crop them in the data set, or give the workload a collate=",
                )
        return UserError(
            f"{len(pairs)} samples of the {self.split} data do not make a batch: {type(error).__name__}: {error}",
            "let all targets have one shape, or give the workload a collate=",
        )


def _file_of(samples: Any, index: int) -> str | None:
    """Return a sample's file, where the data set is one of torchvision's folders; Pillow's errors do not name it."""
    if isinstance(samples, Subset):
        return _file_of(samples.dataset, samples.indices[index])
    listed = getattr(samples, "samples", None)
    if isinstance(listed, list) and index < len(listed) and isinstance(listed[index], tuple):
        return str(listed[index][0])
    return None


def _text(size: list[int] | None) -> str:
    return "x".join(map(str, size)) if size is not None else "of no tensor"


def _input(value: Any) -> Any:
    """Turn PIL images, and arrays of bytes that end in 1 or 3 channels, into tensors (C, H, W)."""
    if _is_pil(value):
        return as_image(image_pixels(value, getattr(value, "filename", "") or "an image of the data set"))
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        if value.ndim == 2:
            value = value[..., None]
        if value.ndim == 3 and value.shape[-1] in (1, 3):
            return as_image(np.array(value))
    return _tensor(value)


def _target(value: Any) -> Any:
    """Turn PIL masks into tensors (H, W) of what they store, without a conversion that would lose ids."""
    return _tensor(np.array(value) if _is_pil(value) else value)


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return value
    # torch knows uint16 and uint32 by name alone.
    wide = {"H": np.int32, "I": np.int64, "L": np.int64}.get(value.dtype.char, value.dtype)
    return torch.from_numpy(np.array(value, wide))


def _is_pil(value: Any) -> bool:
    from PIL import Image

    return isinstance(value, Image.Image)


def digest(parts: Sequence[Any]) -> str:
    """Return a short digest of samples as they are read."""
    found = hashlib.sha256()

    def add(leaf: Any) -> None:
        if isinstance(leaf, Tensor):
            found.update(f"{leaf.dtype}{tuple(leaf.shape)}".encode() + leaf.contiguous().numpy().tobytes())
        else:
            found.update(repr(leaf).encode())

    def go_through(value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in sorted(value.items(), key=lambda entry: str(entry[0])):
                add(key)
                go_through(item)
        elif isinstance(value, tuple | list):
            for item in value:
                go_through(item)
        else:
            add(value)

    go_through(list(parts))
    return found.hexdigest()[:12]


def labels_of(samples: Any) -> list[int] | None:
    """Return all labels where they are known without reading a sample, or None."""
    from torch.utils.data import TensorDataset

    if isinstance(samples, Subset):
        labels = labels_of(samples.dataset)
        return None if labels is None else [labels[index] for index in samples.indices]
    known = samples.tensors[-1] if isinstance(samples, TensorDataset) else getattr(samples, "targets", None)
    if isinstance(known, Tensor | np.ndarray):
        known = known.tolist()
    if isinstance(known, list | tuple) and all(isinstance(label, int) for label in known):
        return list(known) if len(known) == len(samples) else None
    return None


def classes_of(samples: Any) -> list[Any] | None:
    """Return the classes that a data set names, or None."""
    if isinstance(samples, Subset):
        return classes_of(samples.dataset)
    classes = getattr(samples, "classes", None)
    return list(classes) if isinstance(classes, list | tuple) else None
