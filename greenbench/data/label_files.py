"""Image files with labels: known before they are decoded, and then decoded at once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from greenbench.data.cache import kept
from greenbench.data.decoding import decode_image
from greenbench.data.images import VERSION, ResidentImages, as_image
from greenbench.spec.recipe import Size


@dataclass(frozen=True)
class LabelFiles:
    """Image files of one size, with labels (`greenbench.data.subset.Divisible`).

    Attributes
    ----------
    files, labels
        The label of each file.
    size
        Height and width that all of them have.
    cure
        What to do where a file cannot be decoded, or has another size.
    """

    files: Sequence[Path]
    labels: Sequence[int]
    size: Size
    cure: str

    def __len__(self) -> int:
        return len(self.files)

    @property
    def names(self) -> list[str]:
        """Names of the files, without the kind of file, of which copies have several."""
        return [file.stem.lower() for file in self.files]

    def chosen(self, indices: Sequence[int]) -> LabelFiles:
        """Return some of the files."""
        files = [self.files[index] for index in indices]
        return LabelFiles(files, [self.labels[index] for index in indices], self.size, self.cure)

    def read(self) -> ResidentImages:
        """Decode all images.

        Raises
        ------
        DataError
            Naming the first that cannot be, or has another size.
        """
        return ResidentImages(
            torch.from_numpy(kept(self.files, VERSION, self._decoded)), torch.tensor(self.labels)
        )

    def _decoded(self) -> np.ndarray:
        with ThreadPoolExecutor() as pool:
            images = pool.map(lambda file: as_image(decode_image(file, self.size, self.cure)), self.files)
            return torch.stack(list(images)).numpy()
