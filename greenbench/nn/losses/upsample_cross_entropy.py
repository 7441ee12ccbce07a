"""Bilinear upsampling and pixel cross-entropy in one, without the full-size logits.

At 171 classes and 640 px the upsampled logits of one image are 280 MB, and autograd keeps three such arrays.
Here a few rows exist at a time: they are made, turned into their gradient, and brought back to the size of
the input before the next ones are made.

Upsampling is linear and separable: columns are upsampled by one matrix product for each image, and a block of
rows by a product with the few source rows that it lies between.
"""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.nn import functional as F

from greenbench.nn.derivatives import needs_plain
from greenbench.nn.losses.gradient import with_gradient
from greenbench.nn.losses.targets import checked_labels
from greenbench.nn.precision import full_precision, without_autocast

_BLOCK_BYTES = {"cpu": 2**21, "accelerator": 2**28}
"""Size of a block of rows: on a CPU it should fit the caches, elsewhere it should fill the device."""


@without_autocast
def upsample_cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the mean cross-entropy of `logits`, upsampled to the size of `targets`, over valid pixels.

    Equal to ``cross_entropy(interpolate(logits, size, mode="bilinear", align_corners=True), targets)``; without a valid pixel it is 0.

    Under the transforms of `torch.func`, in forward mode and for derivatives of the gradient, it is computed in
    this way, with the full-size logits.

    Parameters
    ----------
    logits
        (N, C, h, w).
    targets
        (N, H, W), labels 0..C-1 or `ignore_index`.

    Raises
    ------
    ValueError
        If the logits are not (N, C, h, w) for as many images as the targets, or for targets that
        `greenbench.nn.losses.targets.checked_labels` refuses.
    """
    if logits.ndim != 4 or targets.ndim != 3 or len(logits) != len(targets):
        raise ValueError(
            f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)} do not belong together; "
            "allowed are (N, C, h, w) with (N, H, W)"
        )
    full_shape = logits.shape[:2] + targets.shape[1:]
    labels, valid = checked_labels(full_shape, targets, ignore_index)
    logits = full_precision(logits)
    plain = partial(_plain, labels=labels, valid=valid)
    if needs_plain(logits):
        return plain(logits)
    wants_gradient = torch.is_grad_enabled() and logits.requires_grad
    with torch.no_grad():
        loss, gradient = _loss_and_gradient(logits.contiguous(), labels, valid, wants_gradient)
    return loss if gradient is None else with_gradient(loss, logits, gradient, plain)


def _plain(logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    full = F.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=True)
    log_p = full.log_softmax(1).gather(1, labels[:, None]).squeeze(1)
    return -log_p.masked_fill(~valid, 0).sum() / valid.sum().clamp_min(1)


def _loss_and_gradient(
    logits: Tensor, labels: Tensor, valid: Tensor, wants_gradient: bool
) -> tuple[Tensor, Tensor | None]:
    _, classes, height, width = logits.shape
    out_height, out_width = labels.shape[1:]
    rows, blocks = _upsampled(height, out_height, classes * out_width, logits.device, logits.dtype)
    columns, _ = _upsampled(width, out_width, 1, logits.device, logits.dtype)
    share = valid.to(logits.dtype) / valid.sum().clamp_min(1)
    loss = logits.new_zeros((), dtype=torch.float64)
    gradient = torch.empty_like(logits) if wants_gradient else None

    for n, image in enumerate(logits):
        # (h, C, W): a row of all classes is contiguous, so a block of rows is one matrix product.
        source = (image.reshape(classes * height, width) @ columns.T).view(classes, height, -1)
        source = source.transpose(0, 1).contiguous()
        pulled = torch.zeros_like(source) if wants_gradient else None
        for first, last, top, bottom in blocks:
            weights = rows[first:last, top:bottom]
            block = (weights @ source[top:bottom].flatten(1)).view(last - first, classes, out_width)
            label, pull = labels[n, first:last, None], share[n, first:last, None]
            # The loss is log sum exp minus the label's logit; exp is kept, to become the softmax.
            highest = block.amax(1, keepdim=True)
            true = block.gather(1, label)
            total = block.sub_(highest).exp_().sum(1, keepdim=True)
            loss += (pull * (total.log() + highest - true)).sum()
            if pulled is not None:
                block.mul_(pull / total).scatter_add_(1, label, -pull)
                pulled[top:bottom].flatten(1).addmm_(weights.T, block.flatten(1))
        if pulled is not None and gradient is not None:
            pulled = pulled.transpose(0, 1).reshape(classes * height, -1)
            torch.mm(pulled, columns, out=gradient[n].view(classes * height, width))
    return loss.to(logits.dtype), gradient


@lru_cache(maxsize=64)
def _upsampled(
    size: int, out_size: int, row_length: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, list[tuple[int, int, int, int]]]:
    """Return the matrix of an axis on a device, sent there once, and its blocks of rows of `row_length` values."""
    with torch.inference_mode(False):
        matrix = _interpolation(size, out_size)
        return matrix.to(device, dtype), _row_blocks(
            matrix, row_length * dtype.itemsize, device.type == "cpu"
        )


def _interpolation(size: int, out_size: int) -> Tensor:
    """Return the (out_size, size) matrix of linear interpolation with aligned corners, on the CPU."""
    scale = (size - 1) / (out_size - 1) if out_size > 1 else 0.0
    position = torch.arange(out_size, dtype=torch.float64) * scale
    lower = position.floor().long().clamp_max(max(size - 2, 0))
    weight = position - lower
    matrix = torch.zeros(out_size, size, dtype=torch.float64)
    matrix.scatter_(1, lower[:, None], (1 - weight)[:, None])
    matrix.scatter_add_(1, (lower + 1).clamp_max(size - 1)[:, None], weight[:, None])
    return matrix


def _row_blocks(rows: Tensor, row_bytes: int, is_cpu: bool) -> list[tuple[int, int, int, int]]:
    """Split the output rows into blocks: first and last row, and first and last source row of each."""
    block_bytes = _BLOCK_BYTES["cpu" if is_cpu else "accelerator"]
    length = max(1, block_bytes // row_bytes)
    used = rows != 0
    blocks = []
    for first in range(0, len(rows), length):
        last = min(first + length, len(rows))
        source = used[first:last].any(0).nonzero()
        blocks.append((first, last, int(source[0]), int(source[-1]) + 1))
    return blocks
