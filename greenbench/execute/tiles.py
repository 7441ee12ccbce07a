"""Evaluation by tiles, for networks that work at the size of training alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from greenbench.errors import UserError
from greenbench.spec.recipe import Size


def tiled(predict: Callable[[Tensor], Any], images: Any, size: Size) -> Any:
    """Return logits of whole images from those of tiles, averaged where tiles overlap.

    The tiles are as few as cover the image, evenly spaced. An image that is smaller than a tile is padded with zeros to
    the right and below, as in training. Images of the tiles' size are passed on as they are.

    Parameters
    ----------
    predict
        Maps images (N, C, h, w) to logits (N, K, h, w).
    images
        (N, C, H, W), not normalized.
    size
        h and w of a tile.

    Returns
    -------
    Logits (N, K, H, W), or whatever `predict` gives for images of the tiles' size.

    Raises
    ------
    UserError
        For inputs that are no images, or outputs that are not logits of each pixel.
    """
    if not isinstance(images, Tensor) or images.ndim != 4:
        raise UserError(
            f"evaluation by tiles got inputs of type {type(images).__name__}; it needs images (N, C, H, W)",
            "leave fixed_input_size or full_image_evaluation out",
        )
    height, width = images.shape[-2:]
    if (height, width) == size:
        return predict(images)
    padded = F.pad(images, (0, max(0, size[1] - width), 0, max(0, size[0] - height)))
    total: Tensor | None = None
    for top in _starts(padded.shape[-2], size[0]):
        for left in _starts(padded.shape[-1], size[1]):
            place = (..., slice(top, top + size[0]), slice(left, left + size[1]))
            logits = predict(padded[place])
            if not isinstance(logits, Tensor) or logits.ndim != 4 or logits.shape[-2:] != size:
                got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
                raise UserError(
                    f"the network gives {got} for a tile of {size[0]}x{size[1]}; evaluation by tiles needs logits of "
                    "each pixel, (N, K, H, W)",
                    "leave fixed_input_size or full_image_evaluation out",
                )
            if total is None:
                shape = (*logits.shape[:2], *padded.shape[-2:])
                total, covered = logits.new_zeros(shape), logits.new_zeros(shape[-2:])
            total[place] += logits
            covered[place] += 1
    assert total is not None  # there is a tile
    return (total / covered)[..., :height, :width]


def _starts(length: int, tile: int) -> list[int]:
    """Return where the tiles begin along one side."""
    last = length - tile
    count = -(-length // tile)
    return [index * last // (count - 1) for index in range(count)] if count > 1 else [0]
