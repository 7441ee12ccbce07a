"""Boundary label relaxation: near a boundary, any class of the neighborhood is right.

Source: Yi Zhu et al., Improving Semantic Segmentation via Video Propagation and Label Relaxation, 2018,
arXiv:1812.01593, equations 1 and 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from greenbench.nn.derivatives import needs_plain
from greenbench.nn.losses.gradient import log_softmax, with_gradient
from greenbench.nn.losses.targets import by_pixel
from greenbench.nn.precision import without_autocast

_NOTHING = -1
_BEYOND = torch.iinfo(torch.int16).max


@without_autocast
def label_relaxation(logits: Tensor, targets: Tensor, ignore_index: int | None = None) -> Tensor:
    """Return the mean of ``-log sum(p_c for c in the 3x3 neighborhood's classes)``.

    Pixels beyond the border and ignored ones add no class. The mean is over the pixels whose
    neighborhood holds a class; an ignored pixel beside a labeled one is among them. Without any it is 0.

    Parameters
    ----------
    logits
        (N, C, H, W).
    targets
        (N, H, W), labels 0..C-1 or `ignore_index`.

    Raises
    ------
    ValueError
        For logits of another number of axes, or for targets that
        `greenbench.nn.losses.targets.checked_labels` refuses.
    """
    if logits.ndim != 4:
        raise ValueError(f"logits are {tuple(logits.shape)}; label relaxation takes (N, C, H, W)")
    if logits.shape[1] > _BEYOND:
        raise ValueError(f"{logits.shape[1]} classes; label relaxation takes at most {_BEYOND}")
    pixels, labels, valid = by_pixel(logits, targets, ignore_index)
    # int16 holds every class and moves a quarter of the memory.
    labels = labels.to(torch.int16).masked_fill_(~valid, _NOTHING).view(targets.shape)
    plain = partial(_plain, labels=labels)
    # Boundaries have as many pixels as it happens: to know how many, an accelerator would have to wait.
    if labels.device.type != "cpu" or needs_plain(pixels):
        return plain(pixels)
    highest = _neighborhood(labels, torch.maximum).view_as(valid)
    lowest = _neighborhood(labels.masked_fill(labels == _NOTHING, _BEYOND), torch.minimum).view_as(valid)
    counted = highest > _NOTHING
    count = counted.sum().clamp_min(1).to(pixels.dtype)
    boundaries = _boundaries(labels, highest, lowest)

    with torch.no_grad():
        log_p = log_softmax(pixels)
        # Where a neighborhood holds one class, that is the label, also of an ignored pixel.
        is_inside = (highest == lowest)[:, None]
        inside = is_inside / count
        target = highest.long().clamp_min_(0)[:, None]
        # Logits of minus infinity are allowed: nothing times their logarithm would be NaN.
        loss = -(log_p.gather(1, target).masked_fill_(~is_inside, 0) * inside).sum()
        pulls = []
        for pixel, near in boundaries:
            places = _places(log_p, pixel, near.long().clamp_min_(0))
            log_p_near = _flat(log_p)[places].masked_fill_(near == _NOTHING, -torch.inf)
            log_union = log_p_near.logsumexp(0)
            loss -= log_union.sum() / count
            pulls.append((places, log_p_near - log_union))
    if not (torch.is_grad_enabled() and pixels.requires_grad):
        return loss
    with torch.no_grad():
        # The softmax over all classes, less the softmax over those of the neighborhood.
        gradient = log_p.exp_().mul_((counted / count)[:, None]).scatter_add_(1, target, -inside)
        for places, log_share in pulls:
            _flat(gradient).index_add_(0, places.flatten(), (log_share.exp_() / -count).flatten())
    return with_gradient(loss, pixels, gradient, plain)


def _plain(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of logits (N, C, P) with the nine places around each pixel of the labels (N, H, W)."""
    _, height, width = labels.shape
    padded = F.pad(labels, (1, 1, 1, 1), value=_NOTHING)
    around = [padded[:, i : i + height, j : j + width].flatten(1) for i in range(3) for j in range(3)]
    near = torch.stack(
        [
            places.masked_fill(sum((places == before for before in around[:i]), start=places < 0), _NOTHING)
            for i, places in enumerate(around)
        ],
        dim=1,
    )
    nothing = near == _NOTHING
    empty = nothing.all(1, keepdim=True)
    log_p = logits.log_softmax(1).gather(1, near.long().clamp_min(0))
    # Where there is no class at all, any finite number does: its sum is left out.
    log_union = log_p.masked_fill(nothing & ~empty, -torch.inf).logsumexp(1, keepdim=True)
    return -log_union.masked_fill(empty, 0).sum() / (~empty).sum().clamp_min(1)


def _neighborhood(labels: Tensor, extreme: Callable[..., Tensor]) -> Tensor:
    """Return the extreme label of each 3x3 neighborhood, one axis at a time."""
    for axis in (1, 2):
        length = labels.shape[axis] - 1
        before, after = labels.narrow(axis, 0, length), labels.narrow(axis, 1, length)
        labels = labels.clone()
        near, far = labels.narrow(axis, 0, length), labels.narrow(axis, 1, length)
        extreme(near, after, out=near)
        extreme(far, before, out=far)
    return labels


def _boundaries(labels: Tensor, highest: Tensor, lowest: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the flat places (M,) of boundary pixels and the classes (K, M) around each.

    Most neighborhoods hold two classes, which are their extremes (K = 2). For the others all nine places are
    listed (K = 9): each class once, and `_NOTHING` in the places that are left.
    """
    _, height, width = labels.shape
    pixel = (highest > lowest).flatten().nonzero().squeeze(1)
    extremes = torch.stack((highest.flatten()[pixel], lowest.flatten()[pixel]))

    padded = F.pad(labels, (1, 1, 1, 1), value=_NOTHING).flatten()
    row = pixel // width
    # Padding brings each row two more columns, and each image two more rows.
    corner = pixel + 2 * row + row // height * 2 * (width + 2)
    steps = torch.tensor([i * (width + 2) + j for i in range(3) for j in range(3)], device=labels.device)
    around = padded[corner + steps[:, None]]
    more_than_two = ((around > extremes[1]) & (around < extremes[0])).any(0)
    two = ~more_than_two

    around = around[:, more_than_two]
    for i in range(1, len(around)):
        around[i].masked_fill_((around[:i] == around[i]).any(0), _NOTHING)
    return [(pixel[two], extremes[:, two]), (pixel[more_than_two], around)]


def _places(maps: Tensor, pixels: Tensor, classes: Tensor) -> Tensor:
    """Return the offsets in the memory of `maps` (N, C, P) of classes (K, M) at flat pixels (M,)."""
    area = maps.shape[2]
    pixel = pixels // area * maps.stride(0) + pixels % area * maps.stride(2)
    return pixel + classes * maps.stride(1)


def _flat(maps: Tensor) -> Tensor:
    return maps.as_strided((maps.numel(),), (1,))
