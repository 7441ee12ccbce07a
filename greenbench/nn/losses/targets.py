"""Checks of logits and targets, the same for every loss."""

from __future__ import annotations

import torch
from torch import Tensor

from greenbench.nn.derivatives import under_transform
from greenbench.nn.precision import full_precision


def checked_labels(shape: torch.Size, targets: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor]:
    """Check targets against logits of `shape`; return labels, 0 where ignored, and a mask of the others.

    Values of labels are checked on the CPU alone: an accelerator would have to wait at every step. There and
    under the transforms of `torch.func`, as with torch's own losses, a label out of range fails in the kernel
    that uses it.

    A batch without a valid label teaches nothing: every loss of it is 0, and so is its gradient, on any device.

    Parameters
    ----------
    shape
        (N, C) or (N, C, H, W).
    targets
        (N,) or (N, H, W), integer labels 0..C-1 or `ignore_index`.

    Raises
    ------
    ValueError
        If the shapes do not belong together, the targets are not integers, or a label lies outside the classes.
    """
    if len(shape) not in (2, 4) or targets.shape != shape[:1] + shape[2:]:
        raise ValueError(
            f"logits {tuple(shape)} and targets {tuple(targets.shape)} do not belong together; "
            "allowed are (N, C) with (N,), and (N, C, H, W) with (N, H, W)"
        )
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise ValueError(f"targets are {targets.dtype}; they must be integer class labels")
    labels = targets.long()
    if ignore_index is None:
        valid = torch.ones_like(labels, dtype=torch.bool)
    else:
        valid = labels != ignore_index
        labels = labels.masked_fill(~valid, 0)
    if labels.device.type == "cpu" and labels.numel() and not under_transform():
        last = shape[1] - 1
        low, high = (int(label) for label in labels.aminmax())
        if low < 0 or high > last:
            raise ValueError(
                f"label {low if low < 0 else high} is outside the classes 0 to {last}"
                + ("" if ignore_index is None else f" and is not the ignored {ignore_index}")
            )
    return labels, valid


def by_pixel(logits: Tensor, targets: Tensor, ignore_index: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Check logits and targets (see `checked_labels`) and lay them out as rows of pixels.

    Returns
    -------
    logits, labels, valid
        Logits (N, C, P) in float32 or float64 over P pixels, 1 where there are none; labels and mask (N, P).
    """
    labels, valid = checked_labels(logits.shape, targets, ignore_index)
    logits = logits.unsqueeze(2) if logits.ndim == 2 else logits.flatten(2)
    return full_precision(logits), labels.reshape(len(labels), -1), valid.reshape(len(labels), -1)
